import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import { type EntryType, isDevice, maxPathLength } from '../../../formats/manifest/index.js'
import { parseVirtfs, type VirtfsAttributes } from '../../../formats/virtfs/index.js'
import { checkedOptions, textPath } from '../../../machine/option-rules.js'
import { baseName, joinPath, pathBytes } from '../../../machine/path-bytes.js'
import type { OpenDirectory } from '../../host/open-directory.js'
import type { TreeFacts } from '../../host/tree-facts.js'
import { openSource, readSource } from '../../source/open-source.js'
import type { NameFacts, SourceItem, TreeReading, TreeSource } from '../../source/tree-source.js'
import { type SourceOptions, sourceRules } from '../../tree-options.js'
import type { FoundName } from '../../walk/walk-open-directories.js'

// A directory that QEMU's 9p server exports with security_model=mapped-file.
//   DIR/.virtfs_metadata/NAME    attributes of DIR/NAME, of any type
//   .virtfs_metadata_root        attributes of the top
// Links, nodes and sockets of the guest are regular files of the host. The content of a symbolic link is its target.
// Source: QEMU hw/9pfs/9p-local.c, behaviour by reading

const metadataName = Buffer.from('.virtfs_metadata')
const rootMetadataName = Buffer.from('.virtfs_metadata_root')
const above = Buffer.from('..')
const longestAttributes = 4096

/**
 * Open a tree of QEMU's 9p server (`security_model=mapped-file`) as a guest sees it.
 *
 * @throws UmlcowError from its survey and its items: BAD_ARCHIVE with every problem
 */
export function openVirtfsSource(directory: string | URL, given: SourceOptions = {}): TreeSource {
  const options = checkedOptions(given, sourceRules)
  const top = pathBytes(textPath('directory', directory))
  const reading: TreeReading = {
    top,
    followTop: true,
    shown: printablePath(top),
    damageCode: 'BAD_ARCHIVE',
    describe,
    skips: (path, name) => name.equals(metadataName) || (path.length === 0 && name.equals(rootMetadataName)),
  }
  return openSource(reading, options)
}

/** Read the manifest of a tree of QEMU's 9p server. It looks at all names before the first item comes. */
export async function* readVirtfsTree(
  directory: string | URL,
  options: SourceOptions = {},
): AsyncGenerator<SourceItem> {
  yield* readSource(openVirtfsSource(directory, options))
}

function describe(found: FoundName): NameFacts {
  const { facts, place, name } = found
  const attributes = attributesOf(found)
  const type = typeOf(facts, attributes?.type ?? facts.type)
  const { major, minor } = facts
  const device = attributes?.type == null ? { major, minor } : attributes.device
  return {
    type,
    mode: attributes?.mode ?? facts.mode,
    uid: attributes?.uid ?? facts.uid,
    gid: attributes?.gid ?? facts.gid,
    device: isDevice(type) ? device : null,
    linkTarget: type === 'symlink' ? targetOf(facts, place, name) : null,
    size: type === 'file' ? facts.size : 0,
  }
}

function bad(message: string): UmlcowError {
  return new UmlcowError('BAD_ARCHIVE', message)
}

/** Read the attributes of a name. @returns null when there are none: the server then uses those of the host's file */
function attributesOf({ path, facts, place }: FoundName): VirtfsAttributes | null {
  const isTop = path.length === 0
  const directory = facts.type === 'directory' && !isTop ? joinPath(above, metadataName) : metadataName
  const kind = isTop ? 'directory' : (place.lstatOrNull(directory)?.type ?? null)
  if (kind === null) return null
  if (kind !== 'directory') throw bad(`its .virtfs_metadata is a ${kind}`)
  const file = isTop ? rootMetadataName : joinPath(directory, baseName(path))
  const there = place.lstatOrNull(file)
  if (there === null) return null
  if (there.type !== 'file') throw bad(`its attributes are a ${there.type}`)
  return parseVirtfs(place.readStart(file, longestAttributes + 1), { name: 'its attributes' })
}

function typeOf(facts: TreeFacts, type: EntryType): EntryType {
  const isNode = type !== 'file' && type !== 'directory'
  if (facts.type === type || (facts.type === 'file' && isNode)) return type
  throw bad(`is a ${facts.type}, but a ${type} by its attributes`)
}

function targetOf(facts: TreeFacts, place: OpenDirectory, name: Buffer): Buffer {
  if (facts.type === 'symlink') return place.readLink(name)
  const target = place.readStart(name, maxPathLength + 1)
  if (target.length > 0 && target.length <= maxPathLength && !target.includes(0)) return target
  throw bad('is a symbolic link without a valid target')
}
