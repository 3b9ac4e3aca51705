import type { EntryType } from './entry.js'

const typeLetters: Readonly<Record<EntryType, string>> = {
  fifo: 'p',
  character: 'c',
  directory: 'd',
  block: 'b',
  file: '-',
  symlink: 'l',
  socket: 's',
}

/** Write a mode as `ls -l` does: `drwxr-xr-t`. @param type  null: none that exists, `?` */
export function modeText(type: EntryType | null, mode: number): string {
  const has = (bit: number) => Math.floor(mode / bit) % 2 === 1
  const execute = (bit: number, special: number, letter: string) => {
    if (!has(special)) return has(bit) ? 'x' : '-'
    return has(bit) ? letter : letter.toUpperCase()
  }
  return [
    type === null ? '?' : typeLetters[type],
    has(0o400) ? 'r' : '-',
    has(0o200) ? 'w' : '-',
    execute(0o100, 0o4000, 's'),
    has(0o040) ? 'r' : '-',
    has(0o020) ? 'w' : '-',
    execute(0o010, 0o2000, 's'),
    has(0o004) ? 'r' : '-',
    has(0o002) ? 'w' : '-',
    execute(0o001, 0o1000, 't'),
  ].join('')
}
