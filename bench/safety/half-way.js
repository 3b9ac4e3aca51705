// A merge in place that is stopped in the middle of its writing, or right before it.
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'
import { CannotRun, end, pause, start, waitFor } from './processes.js'
import { addOverlays, makePair } from './scenes.js'
import { mergedShare } from './words.js'

const mebibyte = 2 ** 20

/** Start umlcow so that it stops itself before a call, and wait until it has. Other tools are stopped when it seems time. */
async function startFrozen(command, place, freeze) {
  const env = {
    NODE_OPTIONS: `--import=${new URL('../../test/support/at-call.js', import.meta.url)}`,
    UMLCOW_AT_CALL: JSON.stringify({ counts: 'changes', freeze: { ...freeze, file: place.backing } }),
  }
  const merge = start(command, { cwd: place.directory, env })
  await waitFor(() => merge.hasEnded() || isStopped(merge.child.pid), 'umlcow to stop')
  if (merge.hasEnded()) throw new Error(`umlcow did not stop: ${(await merge.ended).stderr}`)
  return merge
}

function isStopped(pid) {
  return readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ').at(-1).startsWith('T')
}

/**
 * Start a merge in place over much data, and stop it with SIGSTOP when a part of the image is merged.
 *
 * @returns {Promise<{ pair: object, merge: object }>}  the process is stopped, not ended
 */
export async function stopHalfWay(tool, place, options) {
  // Twice as much whenever it was too fast; one that stops itself needs no more than some windows.
  for (let size = (tool.canFreeze ? 8 : 32) * mebibyte; size <= 512 * mebibyte; size *= 2) {
    // Far from the sibling's own: qemu-img copies more than what was changed.
    const changes = [{ start: 4096, count: size / 512 - 8192, text: 'node0' }]
    const pair = await makePair(tool, place, { size, changes, sibling: true })
    if (tool.canFreeze) {
      // Some of the image is written by then.
      return { pair, merge: await startFrozen(tool.inPlace(pair.cow, ...options), place, { call: 'write', number: 9 }) }
    }
    const merge = start(tool.inPlace(pair.cow, ...options), { cwd: place.directory })
    if (await stopInTime(merge, place, pair)) return { pair, merge }
    await end(merge)
    place.clear()
  }
  throw new CannotRun('it could not be stopped half way')
}

async function stopInTime(merge, place, pair) {
  const first = mtimeOf(place)
  while (!merge.hasEnded()) {
    const mtime = mtimeOf(place)
    // A tool may set whole seconds before it writes. Nothing is opened here before it has written: that would count as
    // somebody who uses the file.
    if (mtime === first || mtime % 1_000_000_000n === 0n) {
      await yieldOnce()
      continue
    }
    merge.child.kill('SIGSTOP')
    const share = mergedShare(readFileSync(place.backing), pair)
    if (share !== 0) return share !== 1
    merge.child.kill('SIGCONT')
    await pause(1)
  }
  return false
}

/**
 * Start a merge in place and stop it when it has opened the backing file for writing, and has not written to it.
 *
 * @returns {Promise<{ pair: object, merge: object }>}  the process is stopped, not ended
 */
export async function stopBeforeWriting(tool, place, options) {
  // Far behind in a large image: a tool that looks at one bit after the other takes its time until it writes.
  for (let size = (tool.canFreeze ? 8 : 64) * mebibyte; size <= 512 * mebibyte; size *= 2) {
    for (let attempt = 0; attempt < 5; attempt++) {
      const stopped = await tryStopBefore(tool, place, options, size)
      if (stopped !== null) return stopped
      place.clear()
    }
  }
  throw new CannotRun('it could not be stopped before it wrote')
}

async function tryStopBefore(tool, place, options, size) {
  const old = Buffer.alloc(size)
  place.setBacking(Buffer.alloc(0), { size })
  const changes = [{ start: size / 512 - 2048, count: 1024, text: 'node0' }]
  const pair = await addOverlays(tool, place, old, { changes, sibling: true })
  if (tool.canFreeze) {
    return { pair, merge: await startFrozen(tool.inPlace(pair.cow, ...options), place, { call: 'futimes', number: 1 }) }
  }
  const before = mtimeOf(place)
  const merge = start(tool.inPlace(pair.cow, ...options), { cwd: place.directory })
  const hasWritten = () => merge.hasEnded() || mtimeOf(place) !== before
  while (!hasWritten() && !hasOpenForWriting(merge.child.pid, place.backing)) await yieldOnce()
  merge.child.kill('SIGSTOP')
  if (!hasWritten()) return { pair, merge }
  await end(merge)
  return null
}

function mtimeOf(place) {
  return statSync(place.backing, { bigint: true }).mtimeNs
}

function yieldOnce() {
  return new Promise((resolve) => setImmediate(resolve))
}

/** From /proc; false as well when the process has ended. */
function hasOpenForWriting(pid, file) {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      if (readlinkSync(`/proc/${pid}/fd/${fd}`) !== file) return false
      const flags = /^flags:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/fdinfo/${fd}`, 'utf8'))
      return flags !== null && Number.parseInt(flags[1], 8) % 4 !== 0
    })
  } catch {
    return false // The descriptor or the process has gone meanwhile.
  }
}
