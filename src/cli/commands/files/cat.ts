import type { Command } from 'commander'
import { readFiles } from '../../../verbs/files/read-files.js'
import type { CliContext, Finish } from '../../context.js'
import { LeftOut } from '../../left-out.js'
import { warnOfDamage } from '../../listing/findings.js'
import { addFileSystemOptions, type FileSystemFlags, fileSystemFlags } from '../../options.js'

export function configureCat(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<image> <path...>')
    .description(
      'Print the content of files inside an image or overlay, one after the other. Paths start at the root directory ' +
        'of its ext2, ext3 or ext4 file system. Symbolic links lead to files of the image, never to files of this host.',
    )
  addFileSystemOptions(command)
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow cat cow.node0 /etc/hostname\n  umlcow cat cow.node0 /var/log/syslog.1.gz | zcat\n' +
      '\nExit status: 0 done, 1 a path does not exist or is no file, or the file system is damaged, ' +
      '63 no ext file system.',
  )
  command.action(async (image: string, paths: string[], flags: FileSystemFlags) => {
    const onEnd = (findings: Parameters<typeof warnOfDamage>[1]) => warnOfDamage(context, findings)
    const leftOut = new LeftOut(context)
    const reported = { onEnd, onLeftOut: leftOut.onLeftOut }
    const options = { ...fileSystemFlags(flags), ...reported, reuseMemory: true, signal: context.signal }
    await printAll(context, readFiles(image, paths, options))
    finish(leftOut.status)
  })
}

/** Print pieces in order. While one is written, the next is read: so two of them are in use at a time. */
async function printAll(context: CliContext, pieces: AsyncIterable<Uint8Array>): Promise<void> {
  let writing = Promise.resolve()
  for await (const bytes of pieces) {
    await writing
    writing = context.printBytes(bytes)
    // It is looked at with the next piece, or after the last.
    writing.catch(() => {})
  }
  await writing
}
