import type { Command } from 'commander'
import { fileSystemUsage } from '../../../verbs/files/file-system-usage.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../../context.js'
import { exitStatus } from '../../exit-status.js'
import { usageDocument, usageText } from '../../listing/usage.js'
import { addFileSystemOptions, addJsonOptions, type FileSystemFlags, fileSystemFlags } from '../../options.js'

interface Flags extends CommonFlags, FileSystemFlags {
  readonly humanReadable?: boolean
  readonly inodes?: boolean
}

export function configureDf(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<image>')
    // -h has another meaning for df.
    .helpOption('--help', 'print help')
    .description(
      'Show how full the file system inside an image or overlay is: first the two lines of "df -P", then its label, ' +
        'UUID, state, journal and features. The file system is ext2, ext3 or ext4.',
    )
    .option('-h, --human-readable', 'show sizes as 1.5K, 12M')
    .option('-P, --portability', 'print each file system in one line, as umlcow always does')
    .option('-i, --inodes', 'count inodes in the place of bytes')
  addFileSystemOptions(addJsonOptions(command))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow df -h cow.node0\n  umlcow df --json cow.node0 | jq .available\n' +
      '\nExit status: 0 done, 1 the file system is damaged, 63 no ext file system.',
  )
  command.action(async (image: string, flags: Flags) => {
    const usage = await fileSystemUsage(image, { ...fileSystemFlags(flags), signal: context.signal })
    if (wantsJson(flags)) await context.printJson(usageDocument(image, usage))
    else await context.print(usageText(image, usage, { isHuman: flags.humanReadable, countsInodes: flags.inodes }))
    finish(exitStatus.done)
  })
}
