import type { Command } from 'commander'
import { statFiles } from '../../../verbs/files/stat-files.js'
import { type CliContext, type CommonFlags, type Finish, wantsJson } from '../../context.js'
import { LeftOut } from '../../left-out.js'
import { warnOfDamage } from '../../listing/findings.js'
import { statJson, statText } from '../../listing/status.js'
import { addFileSystemOptions, addJsonOptions, type FileSystemFlags, fileSystemFlags } from '../../options.js'
import { printPieces } from '../../print-pieces.js'

interface Flags extends CommonFlags, FileSystemFlags {
  readonly dereference?: boolean
  readonly names?: boolean
}

export function configureStat(command: Command, context: CliContext, finish: Finish): void {
  command
    .arguments('<image> <path...>')
    .description(
      'Show all that a file system says about files inside an image or overlay, as stat does, with flags, extended ' +
        'attributes and the number of extents. With --json, umlcow shows the values of the attributes and all extents.',
    )
    .option('-L, --dereference', 'show what a symbolic link leads to, inside the image')
    .option('--names', "show the names of users and groups from the image's own /etc/passwd and /etc/group")
  addFileSystemOptions(addJsonOptions(command))
  command.addHelpText(
    'after',
    '\nExamples:\n  umlcow stat cow.node0 /etc/passwd\n  umlcow stat --json cow.node0 /bin/ping | jq ".[0].attributes"\n' +
      '\nExit status: 0 done, 1 a path does not exist, or the file system is damaged, 63 no ext file system.',
  )
  command.action(async (image: string, paths: string[], flags: Flags) => {
    const leftOut = new LeftOut(context)
    const statuses = statFiles(image, paths, {
      ...fileSystemFlags(flags),
      followLinks: flags.dereference,
      ownerNames: flags.names,
      onEnd: (findings) => warnOfDamage(context, findings),
      // One JSON document: the facts of all paths, or the error.
      onLeftOut: wantsJson(flags) ? undefined : leftOut.onLeftOut,
      signal: context.signal,
    })
    await printPieces(context, wantsJson(flags) ? statJson(statuses) : statText(statuses))
    finish(leftOut.status)
  })
}
