import { printablePath } from '../../../bytes/escape.js'
import { UmlcowError } from '../../../errors.js'
import {
  type ExtFile,
  type ExtItem,
  type ExtItemsOptions,
  type ExtOmission,
  extItems,
  findExtFiles,
} from '../../../filesystems/ext/items/index.js'
import { shownPath } from '../../../formats/manifest/archive-error.js'
import { isDevice } from '../../../formats/manifest/index.js'
import { refuseUnlessForced } from '../../../machine/findings.js'
import { type HostPath, localHostFiles } from '../../../machine/host-files.js'
import { checkedOptions, forceOf, hostPath, listOf, paths } from '../../../machine/option-rules.js'
import { asBuffer, pathBytes } from '../../../machine/path-bytes.js'
import { findWriters } from '../../../machine/processes/find-writers.js'
import {
  type FileSystemOptions,
  fileSystemRules,
  type OpenedFileSystem,
  openFileSystem,
} from '../../../overlays/open-file-system.js'
import { createPace } from '../../pace.js'
import { createProblems, type Problems } from '../../problems.js'
import type { ItemsOptions, SourceItem, SurveyOptions, TreeSource, TreeSurvey } from '../../source/tree-source.js'
import { createWarnings } from '../../warnings.js'

export interface ImageSourceOptions extends FileSystemOptions {
  /** Take these files of the image, and all that lies below them. Default: the root directory */
  readonly paths?: readonly HostPath[] | undefined
}

/** A path of the image that lies in a directory which was asked for, too. */
interface InsidePath {
  readonly path: Uint8Array
  readonly directory: Uint8Array
}

/** The files of an image as a tree. Closing it closes the image. */
export interface ImageSource extends TreeSource, AsyncDisposable {
  /** The files that were asked for, with their paths in the manifest. */
  readonly tops: readonly ExtFile[]
  /** The other paths: each lies in the directory of another one. */
  readonly inside: readonly InsidePath[]
  close(): Promise<void>
}

export const imageForceWords = ['mtime', 'size', 'damage', 'in-use'] as const

export const imageSourceRules = { ...fileSystemRules, force: forceOf(...imageForceWords), paths: listOf(paths.any) }

const root = Buffer.from('/')

/**
 * Open the file system inside an image as a tree, with the true owners, devices, times and extended attributes.
 *
 * @throws UmlcowError IN_USE when a process may write to the image, FS_NOT_FOUND, UNSAFE_PATH for a path with `..`, and
 *         what opening the image throws
 */
export async function openImageSource(image: HostPath | URL, given: ImageSourceOptions = {}): Promise<ImageSource> {
  const path = hostPath('image', image)
  const options = checkedOptions(given, imageSourceRules)
  const opened = await openFileSystem(path, { ...options, force: options.force?.filter((word) => word !== 'in-use') })
  try {
    const { files = localHostFiles, force } = options
    refuseUnlessForced(await findWriters(files, opened.image.files), force)
    const asked = options.paths ?? []
    const inside: InsidePath[] = []
    const all = asked.length === 0 ? [root] : asked.map(pathBytes)
    const tops = await findExtFiles(opened.files, all, (path, directory) => inside.push({ path, directory }))
    return new FileSystemSource(path, opened, { tops, inside }, options)
  } catch (error) {
    await opened.close()
    throw error
  }
}

class FileSystemSource implements ImageSource {
  readonly top: Buffer
  readonly parts: readonly Buffer[]
  readonly tops: readonly ExtFile[]
  readonly inside: readonly InsidePath[]
  private readonly shown: string
  private readonly opened: OpenedFileSystem
  private readonly options: ImageSourceOptions
  private seen: readonly string[] = []

  constructor(
    path: HostPath,
    opened: OpenedFileSystem,
    { tops, inside }: Pick<ImageSource, 'tops' | 'inside'>,
    options: ImageSourceOptions,
  ) {
    this.top = pathBytes(path)
    this.shown = printablePath(path)
    this.parts = opened.image.files.map((file) => pathBytes(file.path))
    this.tops = tops
    this.inside = inside
    this.opened = opened
    this.options = options
  }

  get warnings(): readonly string[] {
    return [...this.opened.files.findings.map(({ message }) => `${this.shown}: ${message}`), ...this.seen]
  }

  async survey({ check, onName }: SurveyOptions = {}): Promise<TreeSurvey> {
    const problems = createProblems(this.shown)
    const warnings = createWarnings()
    let [entries, size] = [0, 0]
    const onOmitted = (path: Uint8Array, why: ExtOmission) => warnings.add(this.omission(path, why))
    for await (const item of this.walk({ content: false, onOmitted }, 'looking at the tree')) {
      const { entry, inode } = item
      entries++
      if (entry.hardLinkTo === null) size += entry.size
      const facts = { type: entry.type, device: 0n, inode: BigInt(inode.number), nlink: entry.linkCount ?? 1 }
      onName?.({ path: asBuffer(entry.path), facts })
      refuseUnfit(problems, () => check?.(entry, hostTypeOf(item), null))
    }
    problems.refuse('ENTRY_UNFIT')
    this.seen = warnings.list()
    return { entries, size }
  }

  async *items({ onAdvance, content }: ItemsOptions = {}): AsyncGenerator<SourceItem> {
    // The survey reports what is left out, unless the caller wants no survey.
    for await (const item of this.walk({ content, onRead: onAdvance }, 'reading')) {
      yield { entry: item.entry, content: item.content, identity: null, hostType: hostTypeOf(item) }
      onAdvance?.(1)
    }
  }

  close(): Promise<void> {
    return this.opened.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  private walk(wanted: ExtItemsOptions, description: string): AsyncIterable<ExtItem> {
    const pace = createPace({ signal: this.options.signal, description })
    const onOmitted = (path: Uint8Array, why: ExtOmission) => void this.omission(path, why)
    const pause = () => (pace.step() ? pace.rest() : undefined)
    return extItems(this.opened.files, this.tops, { onOmitted, ...wanted, pause })
  }

  /** Write the warning about something that is left out. @throws UmlcowError FS_DAMAGED unless that is forced */
  private omission(path: Uint8Array, why: ExtOmission): string {
    const shown = shownPath(path)
    if (why === 'encrypted') return `${shown}: left out: its content is encrypted`
    const what = why === 'damaged' ? 'has an inode that cannot be right' : 'is twice in its directory'
    if (this.options.force?.includes('damage')) return `${shown}: left out: it ${what}`
    throw new UmlcowError('FS_DAMAGED', `the file system is damaged: ${shown} ${what}`, {
      hint: 'run "e2fsck -fn" on the image to see all damage; --force=damage leaves the file out',
    })
  }
}

/** The type in a tree that an ordinary user extracts: it has no devices. */
function hostTypeOf({ entry: { type } }: ExtItem): SourceItem['hostType'] {
  return isDevice(type) ? null : type
}

function refuseUnfit(problems: Problems, check: () => void): void {
  try {
    check()
  } catch (error) {
    if (!(error instanceof UmlcowError) || error.code !== 'ENTRY_UNFIT') throw error
    problems.addText(error.message)
  }
}
