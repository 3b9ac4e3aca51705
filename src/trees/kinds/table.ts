import { writeVirtfsTree } from './9p/sink.js'
import { openVirtfsSource } from './9p/source.js'
import { cpioSink } from './cpio/sink.js'
import { cpioSource } from './cpio/source.js'
import { writeDirectory } from './directory/sink.js'
import { openDirectorySource } from './directory/source.js'
import { fakerootSink } from './fakeroot/sink.js'
import { fakerootSource } from './fakeroot/source.js'
import { openHumfsSource } from './humfs/source.js'
import type { StreamKind, TreeKind } from './kind.js'
import { mtreeSink } from './mtree/sink.js'
import { mtreeSource } from './mtree/source.js'
import { squashfsSink } from './squashfs/sink.js'
import { squashfsSource } from './squashfs/source.js'
import { tarSink } from './tar/sink.js'
import { tarSource } from './tar/source.js'

// The kinds of trees, by their names on the command line. A new kind is a folder with a source and a sink, and a line
// here.

/** Trees that are one stream: archives, and manifests without content. */
export const streamKinds = {
  tar: { source: tarSource, sink: tarSink },
  cpio: { source: cpioSource, sink: cpioSink },
  mtree: { source: mtreeSource, sink: mtreeSink },
  fakeroot: { source: fakerootSource, sink: fakerootSink },
  squashfs: { source: squashfsSource, sink: squashfsSink },
} as const satisfies Record<string, StreamKind>

/** Trees that are directories. Exports use their `sink`. `importHumfs` makes humfs trees, which need more options. */
export const treeKinds = {
  humfs: { source: openHumfsSource },
  directory: { source: openDirectorySource, sink: writeDirectory },
  '9p': { source: openVirtfsSource, sink: writeVirtfsTree },
} as const satisfies Record<string, TreeKind>

export type StreamFormat = keyof typeof streamKinds

export type TreeFormat = keyof typeof treeKinds

/** The directories that an export can make. */
export type WrittenTree = {
  [Format in TreeFormat]: (typeof treeKinds)[Format] extends { readonly sink: unknown } ? Format : never
}[TreeFormat]

export const streamFormats = Object.keys(streamKinds) as StreamFormat[]

export const treeFormats = Object.keys(treeKinds) as TreeFormat[]

export const writtenTrees = treeFormats.filter(isWrittenTree)

export function isTreeFormat(format: string): format is TreeFormat {
  return Object.hasOwn(treeKinds, format)
}

export function isWrittenTree(format: string): format is WrittenTree {
  return isTreeFormat(format) && 'sink' in treeKinds[format]
}
