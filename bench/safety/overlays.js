// Overlays made and read with no code of umlcow's. Changes are a list of { start, count, text }: sectors that hold that
// text, or zeros where it is ''.
import { closeSync, fstatSync, ftruncateSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import path from 'node:path'
import { prepare, run } from './processes.js'

const qemuImg = '/usr/bin/qemu-img'
const sectorSize = 512
const bitmapOffset = 8192

/** The bytes of sectors that were changed. */
export function contentOf({ start, count, text }) {
  const bytes = Buffer.alloc(count * sectorSize)
  if (text === '') return bytes
  for (let i = 0; i < count; i++) bytes.fill(`${text} ${start + i}\n`, i * sectorSize, (i + 1) * sectorSize)
  return bytes
}

/** What a guest sees through an overlay with these changes. */
export function applied(old, changes) {
  const bytes = Buffer.from(old)
  for (const change of changes) contentOf(change).copy(bytes, change.start * sectorSize)
  return bytes
}

/** A COW file, version 3, as the kernel makes it: Linux arch/um/drivers/cow_user.c. */
export async function writeCow(place, name, changes) {
  const { size, mtimeMs } = place.statBacking()
  const sectors = Math.ceil(size / sectorSize)
  const bitmap = Buffer.alloc(Math.ceil(sectors / 8))
  const dataOffset = Math.ceil((bitmapOffset + bitmap.length) / 4096) * 4096
  const header = Buffer.alloc(4128)
  header.writeUInt32BE(0x4f4f4f4d, 0)
  header.writeUInt32BE(3, 4)
  header.writeUInt32BE(Math.floor(mtimeMs / 1000), 8)
  header.writeBigUInt64BE(BigInt(size), 12)
  header.writeUInt32BE(sectorSize, 20)
  header.writeUInt32BE(4096, 24)
  header.write(place.backing, 32)
  const fd = openSync(place.file(name), 'w')
  try {
    writeSync(fd, header, 0, header.length, 0)
    ftruncateSync(fd, dataOffset + size)
    for (const change of changes) {
      for (let i = change.start; i < change.start + change.count; i++) bitmap[i >> 3] |= 1 << (i & 7)
      const bytes = contentOf(change).subarray(0, size - change.start * sectorSize)
      writeSync(fd, bytes, 0, bytes.length, dataOffset + change.start * sectorSize)
    }
    writeSync(fd, bitmap, 0, bitmap.length, bitmapOffset)
  } finally {
    closeSync(fd)
  }
}

/** Read through a COW file as the kernel does, its one check included: size and mtime of the backing file. */
export async function readCow(place, name) {
  const cow = readFileSync(place.file(name))
  if (cow.length < 4128 || cow.readUInt32BE(0) !== 0x4f4f4f4d) return { refused: 'no COW file' }
  const { size, mtimeMs } = place.statBacking()
  if (cow.readBigUInt64BE(12) !== BigInt(size)) return { refused: 'size' }
  if (cow.readUInt32BE(8) !== Math.floor(mtimeMs / 1000)) return { refused: 'mtime' }
  const bytes = readFileSync(place.backing)
  const dataOffset = Math.ceil((bitmapOffset + Math.ceil(Math.ceil(size / sectorSize) / 8)) / 4096) * 4096
  for (let sector = 0; sector * sectorSize < size; sector++) {
    if ((cow[bitmapOffset + (sector >> 3)] & (1 << (sector & 7))) === 0) continue
    const at = dataOffset + sector * sectorSize
    cow.copy(bytes, sector * sectorSize, at, Math.min(at + sectorSize, dataOffset + size))
  }
  return { bytes }
}

/** The same content as qcow2 over raw: an overlay on an image of that content is rebased, which stores what differs. */
export async function writeQcow2(place, name, changes, { storeAll = false } = {}) {
  const whole = `${place.file(name)}.whole`
  writeFileSync(whole, applied(readFileSync(place.backing), changes))
  const options = { cwd: place.directory }
  const like = ['-q', '-f', 'qcow2', '-o', 'cluster_size=4096', '-F', 'raw']
  try {
    if (storeAll) {
      const into = ['-O', 'qcow2', '-o', 'cluster_size=4096', '-F', 'raw', '-B', place.backing]
      await prepare([qemuImg, 'convert', '-q', '-S', '0', '-f', 'raw', ...into, whole, name], options)
      return
    }
    await prepare([qemuImg, 'create', ...like, '-b', whole, name], options)
    await prepare([qemuImg, 'rebase', '-q', '-t', 'unsafe', '-b', place.backing, '-F', 'raw', name], options)
  } finally {
    rmSync(whole)
  }
}

export async function readQcow2(place, name) {
  const output = path.join(place.scratch, 'read')
  const { status } = await run([qemuImg, 'convert', '-f', 'qcow2', '-O', 'raw', place.file(name), output])
  if (status !== 0) return { refused: `status ${status}` }
  const bytes = readFileSync(output)
  rmSync(output)
  return { bytes }
}

/** Bytes that the file system stores of a file. */
export function storedBytes(file) {
  const fd = openSync(file, 'r')
  try {
    return fstatSync(fd).blocks * 512
  } finally {
    closeSync(fd)
  }
}
