import { escapeText, pathText, printablePath } from '../../bytes/escape.js'
import type { Qcow2Snapshot } from '../../formats/qcow2/index.js'
import type { HostPath } from '../../machine/host-files.js'
import { mainUsers } from '../../machine/processes/file-users.js'
import type { Qcow2Info } from '../../verbs/info-qcow2.js'
import { backingLines, backingState, jsonPath, usersText } from './backing.js'

// Keys and meaning of `qemu-img info --output=json`, plus ours.  Schema: docs/schema/info.json

const nanosecondsPerSecond = 1_000_000_000n

export function qcow2Keys({ header, snapshots, backing, users }: Qcow2Info): Record<string, unknown> {
  const { backingPath, extensions } = header
  const located = backing?.located ?? null
  return {
    'cluster-size': header.clusterSize,
    'dirty-flag': header.dirty,
    ...(snapshots.length === 0 ? {} : { snapshots: snapshots.map(snapshotKeys) }),
    ...(backingPath === null ? {} : { 'backing-filename': jsonPath(backingPath) }),
    ...(located === null ? {} : { 'full-backing-filename': jsonPath(located.path) }),
    ...(extensions.backingFormat === null || backingPath === null
      ? {}
      : { 'backing-filename-format': escapeText(extensions.backingFormat) }),
    'format-specific': {
      type: 'qcow2',
      data: {
        compat: header.version === 2 ? '0.10' : '1.1',
        'compression-type': header.compression,
        'refcount-bits': header.refcountBits,
        ...(header.version === 2
          ? {}
          : { 'lazy-refcounts': header.lazyRefcounts, corrupt: header.corrupt, 'extended-l2': header.extendedL2 }),
        ...(backingPath === null ? {} : { 'backing-state': backingState(backing) }),
        ...(backingPath === null || pathText(backingPath) !== null
          ? {}
          : { 'backing-filename-base64': Buffer.from(backingPath).toString('base64') }),
        'in-use-by': users === null ? null : mainUsers(users.users).map((user) => user.pid),
        'in-use': users === null ? null : users.users,
        'in-use-not-seen': users === null ? null : users.unseen,
      },
    },
  }
}

function snapshotKeys(snapshot: Qcow2Snapshot): Record<string, unknown> {
  return {
    id: snapshot.id,
    name: snapshot.name,
    'vm-state-size': snapshot.vmStateSize,
    'date-sec': snapshot.seconds,
    'date-nsec': snapshot.nanoseconds,
    'vm-clock-sec': Number(snapshot.guestNanoseconds / nanosecondsPerSecond),
    'vm-clock-nsec': Number(snapshot.guestNanoseconds % nanosecondsPerSecond),
  }
}

export function qcow2Lines(path: HostPath, info: Qcow2Info): string[] {
  const { header, snapshots, backing, users } = info
  const { backingPath, extensions } = header
  const lines = [`cluster size: ${header.clusterSize}`]
  if (backingPath !== null) {
    lines.push(
      `backing file: ${printablePath(backingPath)}`,
      `backing file format: ${extensions.backingFormat === null ? 'not recorded' : escapeText(extensions.backingFormat)}`,
      ...backingLines(path, backing),
    )
  }
  if (users !== null) lines.push(`in use: ${usersText(users)}`)
  if (header.dirty) lines.push('dirty: a program that wrote the image did not close it; "umlcow check" looks at it')
  for (const { id, name, seconds } of snapshots) {
    lines.push(`snapshot ${id}: ${name}, ${new Date(seconds * 1000).toISOString().replace('.000Z', 'Z')}`)
  }
  if (header.snapshotCount > snapshots.length) lines.push(`snapshots: ${header.snapshotCount} in all`)
  lines.push(
    'Format specific information:',
    `    compat: ${header.version === 2 ? '0.10' : '1.1'}`,
    `    compression type: ${header.compression}`,
    `    lazy refcounts: ${header.lazyRefcounts}`,
    `    refcount bits: ${header.refcountBits}`,
    `    corrupt: ${header.corrupt}`,
    `    extended l2: ${header.extendedL2}`,
  )
  return lines
}
