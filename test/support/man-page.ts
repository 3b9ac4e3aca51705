import { readFileSync } from 'node:fs'
import path from 'node:path'
import { root } from './paths.js'

// The man page, and the options that it and a help text list.

export const page = path.join(root, 'docs/man/umlcow.1')

/** The lines of the page with `\-` as the hyphen it stands for. */
export const lines = readFileSync(page, 'utf8').replaceAll('\\-', '-').split('\n')

export function words(line: string): string[] {
  return line.split(' ').filter((word) => word !== '')
}

function isLetterOrDigit(character: string): boolean {
  return character.toLowerCase() !== character.toUpperCase() || (character >= '0' && character <= '9')
}

/** What is under a heading, up to the next of its rank. */
export function section(macro: '.Ss' | '.Sh', title: string): string[] {
  const start = lines.indexOf(`${macro} ${title}`)
  if (start < 0) return []
  const rest = lines.slice(start + 1)
  const end = rest.findIndex((line) => line.startsWith('.Sh') || line.startsWith(macro))
  return end < 0 ? rest : rest.slice(0, end)
}

const macrosAfterAnOption = ['Fl', 'Ar', 'Cm', 'Ns', 'Pq']

/** Every option that mdoc marks as one: the words after `Fl`, as they are typed. */
export function optionsOfPage(text: readonly string[]): Set<string> {
  const found = new Set<string>()
  for (const line of text.filter((one) => one.startsWith('.'))) {
    const all = words(line.slice(1))
    all.forEach((word, i) => {
      if (word !== 'Fl') return
      for (const option of all.slice(i + 1)) {
        if (macrosAfterAnOption.includes(option)) break
        if (option.length > 1 || isLetterOrDigit(option)) found.add(`-${option}`)
      }
    })
  }
  return found
}

export interface HelpOption {
  readonly names: string[]
  readonly takesValue: boolean
}

/** The options of a help text: `  -n, --dry-run  ...` and `  --force <what>  ...`. */
export function optionsOfHelp(text: string): HelpOption[] {
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
