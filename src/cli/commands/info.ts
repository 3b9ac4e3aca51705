import type { Command } from 'commander'
import { orInterrupted, throwIfAborted, UmlcowError } from '../../errors.js'
import { maxHeaderSize } from '../../formats/cow/index.js'
import { type ImageInfo, info, infoChain, infoOfHeader } from '../../verbs/info.js'
import { type CliContext, type CommonFlags, describeError, errorLines, type Finish, wantsJson } from '../context.js'
import { exitStatus } from '../exit-status.js'
import { tell } from '../messages.js'
import { addBackingOptions, addJsonOptions, addNoBackingOption, addPartitionOption, backingFlags } from '../options.js'
import { infoDocument, infoText } from '../reports/info.js'

interface Flags extends CommonFlags {
  readonly backingRoot?: string
  readonly chain?: boolean
  readonly fast?: boolean
  readonly backing?: string | false
  readonly backingChain?: boolean
  readonly partition?: number
}

export function configureInfo(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<file...>')
    .description(
      'Show what a file is. For an overlay: its header and layout, the state of its backing file, the processes ' +
        'that have it open, and how many sectors are allocated. For a qcow2 image: its header, its snapshots and ' +
        'the state of its backing file. Any other file is a raw image. Of each it shows the partitions and file ' +
        'systems inside; IMAGE@N is one partition. With "-", umlcow reads the header of a COW file or a qcow2 image from standard input.',
    )
    .option('--fast', 'read the header only: do not count sectors, do not look for processes or file systems')
    .option('--backing-chain', 'show the backing files, too, the overlay first')
  addPartitionOption(command, 'show this partition only, from 1; 0 for what fills the whole image')
  addJsonOptions(addNoBackingOption(addBackingOptions(command)))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow info cow.node0\n  umlcow info --json cow.node0 | jq \'."format-specific".data.version\'\n' +
      '  head -c 4136 cow.node0 | umlcow info -\n' +
      '\nExit status: 0 done, 1 a file is damaged or cannot be read, 63 standard input has no such header.',
  )
  command.action(async (paths: string[], flags: Flags) => {
    const documents: unknown[] = []
    const statuses: number[] = []
    for (const [index, path] of paths.entries()) {
      const outcome = await lookAt(path, flags, context)
      if (outcome instanceof Error) {
        // One file alone fails as any verb does; among several, the others are still shown.
        throwIfAborted(context.signal)
        if (paths.length === 1) throw outcome
        statuses.push(context.statusOf(outcome))
        if (!wantsJson(flags)) tell(errorLines(outcome))
        documents.push(describeError(outcome))
      } else if (wantsJson(flags)) {
        documents.push(...outcome.map(infoDocument))
      } else {
        await context.print((index > 0 ? '\n' : '') + outcome.map(infoText).join('\n'))
      }
    }
    if (wantsJson(flags)) {
      await context.printJson(paths.length === 1 && !flags.backingChain ? documents[0] : documents)
    }
    finish(statuses[0] ?? exitStatus.done)
  })
}

/** A file and, with `--backing-chain`, its backing files; or the error that it gave. */
async function lookAt(path: string, flags: Flags, context: CliContext): Promise<ImageInfo[] | UmlcowError> {
  const options = {
    ...backingFlags(flags),
    backingRoot: flags.backingRoot,
    chain: flags.chain,
    fast: flags.fast,
    partition: flags.partition,
    signal: context.signal,
  }
  try {
    if (path === '-') return [infoOfHeader(await orInterrupted(readStandardInput(), context.signal), 'standard input')]
    return flags.backingChain ? await infoChain(path, options) : [await info(path, options)]
  } catch (error) {
    if (error instanceof UmlcowError) return error
    throw error
  }
}

/** As much of standard input as a header needs. */
async function readStandardInput(): Promise<Uint8Array> {
  const chunks: Buffer[] = []
  let length = 0
  try {
    for await (const chunk of process.stdin) {
      chunks.push(chunk)
      length += chunk.length
      if (length >= maxHeaderSize) break
    }
  } catch (error) {
    throw new UmlcowError('NOT_A_FILE', 'standard input: cannot be read', { cause: error })
  }
  return Buffer.concat(chunks).subarray(0, maxHeaderSize)
}
