import { describe, expect, it } from 'vitest'
import { bashScript } from '../../src/cli/completion/bash.js'
import { describeVerbs } from '../../src/cli/completion/describe.js'
import { fishScript } from '../../src/cli/completion/fish.js'
import { zshScript } from '../../src/cli/completion/zsh.js'
import { verbGroups } from '../../src/cli/verbs.js'
import { umlcow } from '../support/command.js'
import { optionsOfHelp, optionsOfPage, section, words } from '../support/man-page.js'
import { unusedContext } from '../support/unused-context.js'

const verbs = await describeVerbs(verbGroups, unusedContext)
const bash = bashScript(verbs)
const zsh = zshScript(verbs)
const fish = fishScript(verbs)

/** What a script has for a verb: from its case to the next. */
function caseOf(script: string, verb: string): string {
  const start = script.indexOf(`\n    '${verb}')\n`)
  expect(start, verb).toBeGreaterThan(0)
  const end = script.indexOf("\n    '", start + 1)
  return script.slice(start, end < 0 ? undefined : end)
}

function linesOfFish(verb: string): string[] {
  return fish
    .split('\n')
    .filter((line) =>
      [`__umlcow_is \\'${verb}\\''`, `__umlcow_at \\'${verb}\\' `].some((one) => line.includes(`-n '${one}`)),
    )
}

/** Words that a page marks with `Cm`, or lists in the line of `Fl -force`. */
function wordsOfPage(text: readonly string[]): Set<string> {
  return new Set(text.filter((line) => line.startsWith('.')).flatMap((line) => words(line)))
}

describe('every verb and every option is in the help, the man page and the completion of each shell', () => {
  it('all verbs', () => {
    const help = umlcow(['--help']).stdout
    const bashVerbs = /\n {4}words='(.*)'\n/.exec(bash)?.[1]?.split(' ')
    for (const { name, summary } of verbs) {
      const isAction = name.includes(' ')
      expect(section('.Ss', name).length, name).toBeGreaterThan(3)
      caseOf(bash, name)
      caseOf(zsh, name)
      if (isAction) continue
      expect(help).toContain(`\n  ${name} `)
      expect(bashVerbs).toContain(name)
      expect(zsh).toContain(`\n      '${name}:${summary.replaceAll(':', '\\:')}'`)
      expect(linesOfFish('').some((line) => line.includes(` -a ${name} -d '`))).toBe(true)
    }
  })

  it.each(verbs)('$name', ({ name, options }) => {
    const help = umlcow([...name.split(' '), '--help']).stdout
    const names = options.flatMap((option) => option.names)
    expect(names).toEqual(optionsOfHelp(help).flatMap((option) => option.names))
    const page = [...section('.Ss', name), ...section('.Sh', 'SHARED OPTIONS')]
    const bashWords = /\$cur == -\* \]\]; then\n +words='(.*)'\n/.exec(caseOf(bash, name))?.[1]?.split(' ')
    for (const option of options) {
      for (const one of option.names) {
        expect(optionsOfPage(page), one).toContain(one)
        expect(bashWords, one).toContain(one)
        expect(caseOf(zsh, name), one).toMatch(new RegExp(`[')*]${one}[=+]?\\[`))
        const flag = one.startsWith('--') ? ` -l ${one.slice(2)} ` : ` -s ${one.slice(1)} `
        expect(
          linesOfFish(name).filter((line) => line.includes(flag)),
          one,
        ).toHaveLength(1)
      }
      for (const word of option.value?.words ?? []) {
        expect(help).toContain(word)
        expect(wordsOfPage(page), `${option.names}: ${word}`).toContain(word)
        for (const text of [caseOf(bash, name), caseOf(zsh, name), linesOfFish(name).join('\n')]) {
          expect(text).toContain(word)
        }
      }
    }
  })
})

describe('completion', () => {
  it('prints the script for the named shell, and nothing for another', () => {
    for (const [shell, script] of Object.entries({ bash, zsh, fish })) {
      expect(umlcow(['completion', shell])).toMatchObject({ status: 0, stderr: '', stdout: script })
    }
    expect(umlcow(['completion', 'csh'])).toMatchObject({ status: 64, stdout: '' })
    expect(umlcow(['completion', 'csh']).stderr).toContain('Allowed choices are bash, zsh, fish.')
  })

  it('quotes what has a meaning in a shell', () => {
    const meaning = "what's $HOME, `x` and a [b]: c\\d"
    const option = { names: ['--odd'], meaning, repeats: 'no', value: null } as const
    const odd = [{ name: 'odd', summary: meaning, options: [option], arguments: [] }]
    expect(fishScript(odd)).toContain("-d 'what\\'s $HOME, `x` and a [b]: c\\\\d'")
    expect(zshScript(odd)).toContain("'--odd[what'\\''s $HOME, `x` and a \\[b\\]\\: c\\\\d]'")
    expect(bashScript(odd)).not.toContain('HOME')
  })
})
