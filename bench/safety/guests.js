// Somebody who has an overlay open: a User-Mode Linux guest, and for qcow2 qemu-nbd.
import { statSync } from 'node:fs'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { end, pause, start, waitFor } from './processes.js'
import { busybox, linux, missingOf, python, qemuNbd } from './tools.js'

const boot = fileURLToPath(new URL('../../test/uml-lab/boot', import.meta.url))

/** Why nobody can open an overlay of this tool here, or null. */
export function whyNoGuest(tool) {
  const missing = tool.name === 'qemu-img' ? missingOf(qemuNbd) : missingOf(linux, busybox, python)
  return missing === null ? null : `not run: needs ${path.basename(missing)}`
}

/** Run `action` while a guest has the overlay open and is idle. */
export async function whileOpen(tool, place, name, action) {
  const guest = tool.name === 'qemu-img' ? await openByQemu(place, name) : await openByUml(place, name)
  try {
    return await action()
  } finally {
    await end(guest)
  }
}

/** The guest writes a page, so that it can be seen to have begun, and keeps the device open. */
async function openByUml(place, name) {
  const script = `exec 3<>/dev/ubda || exit 1
dd if=/dev/ubda bs=4096 count=1 2> /dev/null >&3; sync; sleep 100`
  const before = statSync(place.file(name)).mtimeMs
  const env = { UML_LAB_LINUX: linux, UML_LAB_BUSYBOX: busybox }
  const guest = start([python, boot, '--timeout', '100', `ubda=${name}`, '--', script], { cwd: place.directory, env })
  await waitFor(() => guest.hasEnded() || statSync(place.file(name)).mtimeMs !== before, 'a guest to write')
  if (guest.hasEnded()) throw new Error(`the guest ended: ${(await guest.ended).stderr}`)
  await untilIdle(place.file(name))
  return guest
}

async function openByQemu(place, name) {
  const socket = path.join(place.scratch, 'nbd')
  const guest = start([qemuNbd, '-k', socket, '-t', '-f', 'qcow2', place.file(name)])
  const isThere = () => statSync(socket, { throwIfNoEntry: false }) !== undefined
  await waitFor(() => guest.hasEnded() || isThere(), 'qemu-nbd')
  if (guest.hasEnded()) throw new Error(`qemu-nbd ended: ${(await guest.ended).stderr}`)
  await untilIdle(place.file(name))
  return guest
}

async function untilIdle(file) {
  for (let last = 0; ; ) {
    const now = statSync(file).mtimeMs
    if (now === last) return
    last = now
    await pause(300)
  }
}
