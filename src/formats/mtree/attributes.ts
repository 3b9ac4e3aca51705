import { shownPath } from '../manifest/archive-error.js'
import type { DeviceNumber, EntryType } from '../manifest/entry.js'
import { isDevice } from '../manifest/mode.js'
import { type MtreePlace, missingKeyword, mtreeError } from './error.js'
import type { MtreeDefinition } from './list.js'
import { ownerOf } from './owners.js'
import type { MtreeAttributes, MtreeTree } from './tree.js'

/** Get the attributes of an entry. The text says them; the tree says the type, device or target that the text lacks. */
export function attributesInText(
  one: MtreeDefinition,
  place: MtreePlace,
  tree: MtreeTree | undefined,
): MtreeAttributes {
  const { path, values } = one
  const type = typeOf(one, place, tree)
  const mode = values.mode ?? (type === 'symlink' ? 0o777 : undefined)
  if (mode === undefined) throw missingKeyword('mode', path, place)
  return {
    type,
    mode,
    uid: ownerOf('user', one, place),
    gid: ownerOf('group', one, place),
    device: deviceOf(one, type, place, tree),
    linkTarget:
      type === 'symlink' ? (values.linkTarget ?? fromTree('linkTarget', 'link', one, type, place, tree)) : null,
    mtimeNs: values.mtimeNs ?? 0n,
  }
}

function typeOf({ path, values }: MtreeDefinition, place: MtreePlace, tree: MtreeTree | undefined): EntryType {
  const type = values.type ?? (path.length === 0 ? 'directory' : tree?.find(path)?.type)
  if (type === undefined) throw missingKeyword('type', path, place, ', and the tree does not have it')
  return type
}

function deviceOf(
  one: MtreeDefinition,
  type: EntryType,
  place: MtreePlace,
  tree: MtreeTree | undefined,
): DeviceNumber | null {
  const { path, values } = one
  if (isDevice(type)) return values.device ?? fromTree('device', 'device', one, type, place, tree)
  if (values.device === undefined) return null
  throw mtreeError('BAD_ARCHIVE', place, `device: ${shownPath(path)} is a ${type}`, { keyword: 'device' })
}

/** Take an attribute from the tree, when the name has the same type there. */
function fromTree<K extends 'device' | 'linkTarget'>(
  key: K,
  keyword: string,
  { path }: MtreeDefinition,
  type: EntryType,
  place: MtreePlace,
  tree: MtreeTree | undefined,
): NonNullable<MtreeAttributes[K]> {
  const found = tree?.describe(path)
  const value = found?.type === type ? found[key] : null
  if (value == null) throw missingKeyword(keyword, path, place, `, and the tree has no ${type} there`)
  return value
}

/** Get the attributes that the tree has, as `nochange` asks. @throws UmlcowError ENTRY_UNFIT when it lacks the name */
export function attributesInTree(
  { path }: MtreeDefinition,
  place: MtreePlace,
  tree: MtreeTree | undefined,
): MtreeAttributes {
  const found = tree?.describe(path)
  if (found == null) {
    const what = `${shownPath(path)} is missing in the tree, and with nochange the tree says its attributes`
    throw mtreeError('ENTRY_UNFIT', place, what, { keyword: 'nochange', path: shownPath(path) })
  }
  const { type, mode, uid, gid, device, linkTarget, mtimeNs } = found
  return { type, mode, uid, gid, device, linkTarget, mtimeNs }
}
