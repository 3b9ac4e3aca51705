import { printablePath } from '../../../bytes/escape.js'
import { isDevice } from '../../../formats/manifest/index.js'
import { checkedOptions, textPath } from '../../../machine/option-rules.js'
import { pathBytes } from '../../../machine/path-bytes.js'
import { openSource, readSource } from '../../source/open-source.js'
import type { NameFacts, SourceItem, TreeReading, TreeSource } from '../../source/tree-source.js'
import { type SourceOptions, sourceRules } from '../../tree-options.js'
import type { FoundName } from '../../walk/walk-open-directories.js'

/** Open a directory as a tree. Owners, modes and devices are those of the host's files. */
export function openDirectorySource(directory: string | URL, given: SourceOptions = {}): TreeSource {
  const options = checkedOptions(given, sourceRules)
  const top = pathBytes(textPath('directory', directory))
  const reading: TreeReading = {
    top,
    followTop: true,
    shown: printablePath(top),
    damageCode: null,
    describe,
  }
  return openSource(reading, options)
}

/** Read the manifest of a directory. It looks at all names before the first item comes. */
export async function* readDirectory(directory: string | URL, options: SourceOptions = {}): AsyncGenerator<SourceItem> {
  yield* readSource(openDirectorySource(directory, options))
}

function describe({ facts, place, name }: FoundName): NameFacts {
  const { type, mode, uid, gid, major, minor, size } = facts
  return {
    type,
    mode,
    uid,
    gid,
    device: isDevice(type) ? { major, minor } : null,
    linkTarget: type === 'symlink' ? place.readLink(name) : null,
    size: type === 'file' ? size : 0,
  }
}
