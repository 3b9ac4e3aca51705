import { readFileSync } from 'node:fs'

export interface Example {
  /** What the fence says: console, sh, js. */
  readonly language: string
  readonly code: string
  /** What the page says that it prints; null where the page does not say. */
  readonly output: string | null
  /** Of the block, counted from 1. */
  readonly line: number
}

const fence = '```'

/** Every fenced block of a page. A block `text` is what the block above it prints. */
export function examplesOf(file: string): Example[] {
  const lines = readFileSync(file, 'utf8').split('\n')
  const found: Example[] = []
  for (let i = 0; i < lines.length; i++) {
    const opening = lines[i]!
    if (!opening.startsWith(fence)) continue
    const end = lines.indexOf(fence, i + 1)
    if (end < 0) throw new Error(`${file}:${i + 1}: the block has no end`)
    const code = lines.slice(i + 1, end).join('\n')
    const language = opening.slice(fence.length)
    const above = found.at(-1)
    if (language === 'text' && above !== undefined) found[found.length - 1] = { ...above, output: code }
    else found.push({ language, code, output: null, line: i + 1 })
    i = end
  }
  return found
}

export interface Command {
  readonly command: string
  readonly output: string
}

/** The commands of a block `console`, each with the lines that it prints. */
export function commandsOf(code: string): Command[] {
  const parts = `\n${code}`.split('\n$ ').slice(1)
  return parts.map((part) => {
    const [command = '', ...output] = part.split('\n')
    return { command, output: output.join('\n') }
  })
}
