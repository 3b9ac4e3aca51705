import { printablePath } from '../../../bytes/escape.js'
import { type EntryType, isDevice, maxPathLength } from '../../../formats/manifest/index.js'
import { isVirtfsXattr, type VirtfsAttributes } from '../../../formats/virtfs/index.js'
import { checkedOptions, textPath } from '../../../machine/option-rules.js'
import { pathBytes } from '../../../machine/path-bytes.js'
import type { OpenDirectory } from '../../host/open-directory.js'
import type { TreeFacts } from '../../host/tree-facts.js'
import { openSource, readSource } from '../../source/open-source.js'
import type { NameFacts, SourceItem, TreeReading, TreeSource } from '../../source/tree-source.js'
import { type SourceOptions, sourceRules } from '../../tree-options.js'
import type { FoundName } from '../../walk/walk-open-directories.js'
import { badName, metadataName, rootMetadataName, VirtfsTree } from './virtfs-tree.js'

// A directory that QEMU's 9p server exports with security_model=mapped-file,
//   DIR/.virtfs_metadata/NAME    attributes of DIR/NAME, of any type
//   .virtfs_metadata_root        attributes of the top
// or with security_model=mapped-xattr: then the extended attributes user.virtfs.* hold the same.
// Links, nodes and sockets of the guest are regular files of the host. The content of a symbolic link is its target.
// Source: QEMU hw/9pfs/9p-local.c, behaviour by reading

/**
 * Open a tree of QEMU's 9p server (`security_model=mapped-file` or `mapped-xattr`) as a guest sees it. For the extended
 * attributes of mapped-xattr it needs the host's getfattr.
 *
 * @throws UmlcowError from its survey and its items: BAD_ARCHIVE with every problem
 */
export function openVirtfsSource(directory: string | URL, given: SourceOptions = {}): TreeSource {
  const options = checkedOptions(given, sourceRules)
  const top = pathBytes(textPath('directory', directory))
  const tree = new VirtfsTree(top, options)
  const reading: TreeReading = {
    top,
    followTop: true,
    shown: printablePath(top),
    damageCode: 'BAD_ARCHIVE',
    describe: (found) => describe(found, tree.attributesOf(found)),
    prepare: () => tree.readXattrs(),
    notes: () => tree.notes(),
    takesAttribute: isVirtfsXattr,
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

function describe({ facts, place, name }: FoundName, attributes: VirtfsAttributes | null): NameFacts {
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

function typeOf(facts: TreeFacts, type: EntryType): EntryType {
  const isNode = type !== 'file' && type !== 'directory'
  if (facts.type === type || (facts.type === 'file' && isNode)) return type
  throw badName(`is a ${facts.type}, but a ${type} by its attributes`)
}

function targetOf(facts: TreeFacts, place: OpenDirectory, name: Buffer): Buffer {
  if (facts.type === 'symlink') return place.readLink(name)
  const target = place.readStart(name, maxPathLength + 1)
  if (target.length > 0 && target.length <= maxPathLength && !target.includes(0)) return target
  throw badName('is a symbolic link without a valid target')
}
