import { Argument } from 'commander'
import { bashScript } from '../completion/bash.js'
import { describeVerbs } from '../completion/describe.js'
import { fishScript } from '../completion/fish.js'
import { zshScript } from '../completion/zsh.js'
import { exitStatus } from '../exit-status.js'
import type { Configure } from '../verb.js'
import type { VerbGroup } from '../verb-groups.js'

const scripts = { bash: bashScript, zsh: zshScript, fish: fishScript }

/** @param groups  the verbs to complete */
export function configureCompletion(groups: readonly VerbGroup[]): Configure {
  return (command, context, finish) => {
    command
      .addArgument(new Argument('<shell>', 'the shell that reads the script').choices(Object.keys(scripts)))
      .description(
        'Print a script for a shell. The shell then completes verbs, options, the words that options take, and names ' +
          'of files. Print it again after an update of umlcow.',
      )
    command.addHelpText(
      'after',
      '\nExamples:\n  umlcow completion bash > ~/.local/share/bash-completion/completions/umlcow\n  umlcow completion ' +
        'zsh > ~/.zfunc/_umlcow        # a directory in fpath\n  umlcow completion fish > ' +
        '~/.config/fish/completions/umlcow.fish',
    )
    command.action(async (shell: keyof typeof scripts) => {
      await context.print(scripts[shell](await describeVerbs(groups, context)))
      finish(exitStatus.done)
    })
  }
}
