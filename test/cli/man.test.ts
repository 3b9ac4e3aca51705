import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { verbGroups } from '../../src/cli/verbs.js'
import { umlcow } from '../support/command.js'
import { root } from '../support/paths.js'

const page = path.join(root, 'docs/man/umlcow.1')

/** The lines of the page with `\-` as the hyphen it stands for. */
const lines = readFileSync(page, 'utf8').replaceAll('\\-', '-').split('\n')

function words(line: string): string[] {
  return line.split(' ').filter((word) => word !== '')
}

function isLetter(character: string | undefined): boolean {
  return character !== undefined && character.toLowerCase() !== character.toUpperCase()
}

/** What is under a heading, up to the next of its rank. */
function section(macro: '.Ss' | '.Sh', title: string): string[] {
  const start = lines.indexOf(`${macro} ${title}`)
  if (start < 0) return []
  const rest = lines.slice(start + 1)
  const end = rest.findIndex((line) => line.startsWith('.Sh') || line.startsWith(macro))
  return end < 0 ? rest : rest.slice(0, end)
}

const macrosAfterAnOption = ['Fl', 'Ar', 'Cm', 'Ns', 'Pq']

/** Every option that mdoc marks as one: the words after `Fl`, as they are typed. */
function optionsOfPage(text: readonly string[]): Set<string> {
  const found = new Set<string>()
  for (const line of text.filter((one) => one.startsWith('.'))) {
    const all = words(line.slice(1))
    all.forEach((word, i) => {
      if (word !== 'Fl') return
      for (const option of all.slice(i + 1)) {
        if (macrosAfterAnOption.includes(option)) break
        if (option.length > 1 || isLetter(option)) found.add(`-${option}`)
      }
    })
  }
  return found
}

interface HelpOption {
  readonly names: string[]
  readonly takesValue: boolean
}

/** The options of a help text: `  -n, --dry-run  ...` and `  --force <what>  ...`. */
function optionsOfHelp(text: string): HelpOption[] {
  const all = text.split('\n')
  const start = all.indexOf('Options:')
  const end = all.indexOf('', start)
  return all.slice(start + 1, end).flatMap((line) => {
    if (!line.startsWith('  -')) return []
    const [flags = ''] = line.trim().split('  ')
    const parts = words(flags.replaceAll(',', ' '))
    return [{ names: parts.filter((part) => part.startsWith('-')), takesValue: parts.some((part) => part[0] === '<') }]
  })
}

/** All verbs, and the actions of a verb that have options of their own: `humfs export`. */
const verbs = [
  ...verbGroups.flatMap((group) =>
    group.verbs.flatMap(({ name, actions = [] }) => [name, ...actions.map((action) => `${name} ${action.name}`)]),
  ),
  'help',
]

const programHelp = umlcow(['--help']).stdout
const helpOf = (verb: string): string => umlcow([...verb.split(' '), '--help']).stdout
/** `help` takes no options, and the arguments of these two are those of other tools. */
const withoutOptions = ['help', 'moo', 'mkcow']
const verbsWithOptions = verbs.filter((verb) => !withoutOptions.includes(verb))

function withoutHelp(options: HelpOption[]): string[] {
  return options.flatMap((option) => option.names).filter((name) => name !== '-h' && name !== '--help')
}

describe('the man page', () => {
  it('has the verbs of the command, and no others', () => {
    expect(verbs.length).toBeGreaterThan(6)
    const headings = lines.filter((line) => line.startsWith('.Ss ')).map((line) => line.slice('.Ss '.length))
    expect(headings.sort()).toEqual([...verbs].sort())
    const synopsis = section('.Sh', 'SYNOPSIS').filter((line) => line.startsWith('.Cm '))
    expect([...new Set(synopsis.map((line) => words(line).slice(1).join(' ')))].sort()).toEqual([...verbs].sort())
  })

  it.each(verbsWithOptions)('has the options of %s, long and short, and no others', (verb) => {
    const known = withoutHelp(optionsOfHelp(helpOf(verb)))
    expect(known.length).toBeGreaterThan(4)
    expect([...optionsOfPage(section('.Ss', verb))].sort()).toEqual([...new Set(known)].sort())
  })

  it('has the options of no verb', () => {
    const known = optionsOfHelp(programHelp).flatMap((option) => option.names)
    expect([...optionsOfPage(section('.Sh', 'SYNOPSIS'))]).toEqual(expect.arrayContaining(known))
  })

  it.each(verbsWithOptions)('describes each option of %s, with its value', (verb) => {
    const items = [...section('.Ss', verb), ...section('.Sh', 'SHARED OPTIONS')].filter((l) => l.startsWith('.It Fl'))
    for (const option of optionsOfHelp(helpOf(verb))) {
      const own = items.find((line) => option.names.every((name) => optionsOfPage([line]).has(name)))
      expect(own, option.names.join(' ')).toBeDefined()
      expect(words(own as string).includes('Ar'), own).toBe(option.takesValue)
    }
  })

  it('mentions no option that no verb has', () => {
    const helps = [programHelp, ...verbs.map((verb) => helpOf(verb))]
    const known = new Set(helps.flatMap((text) => optionsOfHelp(text).flatMap((option) => option.names)))
    for (const foreign of ['-f']) known.add(foreign)
    expect([...optionsOfPage(lines)].filter((name) => !known.has(name))).toEqual([])
  })

  it('has every exit status of the help', () => {
    const all = programHelp.split('\n')
    const start = all.indexOf('Exit status:')
    const statuses = all.slice(start + 1, all.indexOf('', start)).map((line) => words(line)[0])
    const items = section('.Sh', 'EXIT STATUS').filter((line) => line.startsWith('.It '))
    expect(items.map((line) => words(line)[1])).toEqual(statuses)
  })

  it('has the sections a reader looks for', () => {
    const titles = lines.filter((line) => line.startsWith('.Sh ')).map((line) => line.slice('.Sh '.length))
    expect(titles).toEqual(
      expect.arrayContaining(['NAME', 'SYNOPSIS', 'DESCRIPTION', 'BACKING PATHS', 'JSON', 'EXIT STATUS', 'FILES']),
    )
    expect(titles).toEqual(expect.arrayContaining(['ENVIRONMENT', 'EXAMPLES', 'SEE ALSO']))
  })

  it.runIf(existsSync('/usr/bin/groff'))('is formatted without a warning', () => {
    const done = spawnSync('/usr/bin/groff', ['-ww', '-mandoc', '-Tutf8', page], { encoding: 'utf8' })
    expect(done).toMatchObject({ status: 0, stderr: '' })
    expect(done.stdout.length).toBeGreaterThan(10_000)
  })
})
