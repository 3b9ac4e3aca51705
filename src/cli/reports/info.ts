import { escapeText, pathText, printablePath } from '../../bytes/escape.js'
import { formatSize } from '../../bytes/size-text.js'
import type { Finding } from '../../machine/findings.js'
import { mainUsers } from '../../machine/processes/file-users.js'
import { dateText } from '../../overlays/inspect-backing.js'
import type { ImageInfo, OverlayInfo } from '../../verbs/info.js'
import { backingLines, backingState, jsonPath, usersText } from './backing.js'
import { contentsKeys, contentsLines } from './info-contents.js'
import { qcow2Keys, qcow2Lines } from './info-qcow2.js'

// Keys and meaning of `qemu-img info --output=json`, plus ours under "format-specific".  Schema: docs/schema/info.json

export function infoDocument(image: ImageInfo): Record<string, unknown> {
  const { overlay, qcow2 } = image
  return {
    'virtual-size': image.virtualSize,
    filename: jsonPath(image.path),
    format: image.format,
    ...(image.allocatedSize === null ? {} : { 'actual-size': image.allocatedSize }),
    'dirty-flag': false,
    ...contentsKeys(image.contents),
    ...(qcow2 !== null ? qcow2Keys(qcow2) : overlay === null ? rawKeys(image) : overlayKeys(image, overlay)),
  }
}

function rawKeys({ unfinished, compression }: ImageInfo): Record<string, unknown> {
  if (unfinished === null && compression === null) return {}
  const data = {
    ...(unfinished === null ? {} : { 'unfinished-merge': unfinishedKeys(unfinished) }),
    ...(compression === null
      ? {}
      : {
          compression: compression.by,
          'unpacked-size': compression.unpackedSize,
          'compression-damage': compression.damage,
        }),
  }
  return { 'format-specific': { type: 'raw', data } }
}

function unfinishedKeys({ code, message, hint }: Finding): Record<string, unknown> {
  return { code, message, hint: hint ?? null }
}

function overlayKeys(image: ImageInfo, overlay: OverlayInfo): Record<string, unknown> {
  const { header, layout, backing, users } = overlay
  const located = backing?.located ?? null
  const nameIsText = pathText(header.backingPath) !== null
  const present = overlay.allocatedSectors
  return {
    'cluster-size': header.sectorSize,
    'backing-filename': jsonPath(header.backingPath),
    ...(located === null ? {} : { 'full-backing-filename': jsonPath(located.path) }),
    'backing-filename-format': 'raw',
    'format-specific': {
      type: 'cow',
      data: {
        version: header.version,
        layout: header.layout === 'v3padded' ? 'padded64' : 'packed',
        'magic-byte-order': header.magicOrder,
        'field-byte-order': header.fieldOrder,
        sectorsize: header.sectorSize,
        alignment: header.alignment,
        'cow-format': header.cowFormat,
        'backing-mtime': header.mtime,
        'header-size': layout.headerSize,
        'bitmap-offset': layout.bitmapOffset,
        'bitmap-length': layout.bitmapLength,
        'data-offset': layout.dataOffset,
        'file-size': image.fileSize,
        sectors: layout.sectorCount,
        'sectors-present': present,
        'bytes-present': present === null ? null : present * header.sectorSize,
        'backing-state': backingState(backing),
        ...(backing?.lookalike ? { 'backing-lookalike': jsonPath(backing.lookalike) } : {}),
        ...(nameIsText ? {} : { 'backing-filename-base64': Buffer.from(header.backingPath).toString('base64') }),
        'in-use-by': users === null ? null : mainUsers(users.users).map((user) => user.pid),
        'in-use': users === null ? null : users.users,
        'in-use-not-seen': users === null ? null : users.unseen,
        'unfinished-rewrite': overlay.rewrite === 'torn',
        'unfinished-merge': image.unfinished === null ? null : unfinishedKeys(image.unfinished),
      },
    },
  }
}

export function infoText(image: ImageInfo): string {
  const lines = [
    `image: ${printablePath(image.path)}`,
    `file format: ${image.format}`,
    `virtual size: ${formatSize(image.virtualSize)} (${image.virtualSize} bytes)`,
  ]
  if (image.allocatedSize !== null) lines.push(`disk size: ${formatSize(image.allocatedSize)}`)
  if (image.compression !== null) lines.push(...compressionLines(image.compression))
  if (image.unfinished !== null) lines.push(...unfinishedLines(image.unfinished))
  lines.push(...contentsLines(image.contents))
  if (image.qcow2 !== null) lines.push(...qcow2Lines(image.path, image.qcow2))
  if (image.overlay !== null) lines.push(...overlayLines(image, image.overlay))
  return `${lines.join('\n')}\n`
}

function compressionLines({ by, unpackedSize, damage }: NonNullable<ImageInfo['compression']>): string[] {
  const size = unpackedSize === null ? 'unknown' : `${formatSize(unpackedSize)} (${unpackedSize} bytes)`
  return [`compressed with: ${by}`, damage === null ? `unpacked size: ${size}` : `damage: ${escapeText(damage)}`]
}

function unfinishedLines({ message, hint }: Finding): string[] {
  const lines = [`unfinished merge: ${escapeText(message)}`]
  return hint === undefined ? lines : [...lines, `    ${escapeText(hint)}`]
}

function overlayLines(image: ImageInfo, overlay: OverlayInfo): string[] {
  const { header, layout, allocatedSectors } = overlay
  const lines = [
    `sector size: ${header.sectorSize}`,
    `backing file: ${printablePath(header.backingPath)}`,
    `backing file mtime: ${header.mtime} (${dateText(header.mtime)})`,
    ...backingLines(image.path, overlay.backing),
  ]
  if (allocatedSectors !== null) {
    const size = formatSize(allocatedSectors * header.sectorSize)
    lines.push(`allocated: ${allocatedSectors} of ${layout.sectorCount} sectors (${size})`)
  } else if (overlay.users !== null) {
    lines.push(`allocated: not counted: the bitmap has ${formatSize(layout.bitmapLength)}; run "umlcow check" to count`)
  }
  if (overlay.users !== null) lines.push(`in use: ${usersText(overlay.users)}`)
  if (overlay.rewrite === 'torn') lines.push('header: a rewrite was cut short; run "umlcow check --repair"')
  lines.push(
    'Format specific information:',
    `    version: ${header.version}${header.layout === 'v3padded' ? ', padded 64-bit layout' : ''}`,
    `    byte order: ${byteOrderText(header)}`,
    `    alignment: ${header.alignment}`,
    `    bitmap: ${layout.bitmapLength} bytes at offset ${layout.bitmapOffset}`,
    `    data: at offset ${layout.dataOffset}`,
  )
  return lines
}

function byteOrderText({ magicOrder, fieldOrder }: OverlayInfo['header']): string {
  if (magicOrder === fieldOrder) return `${fieldOrder}-endian`
  return `${fieldOrder}-endian, magic and version ${magicOrder}-endian`
}
