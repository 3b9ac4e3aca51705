import { escapeText, pathText, printablePath } from '../../bytes/escape.js'
import type { HostPath } from '../../machine/host-files.js'
import { pathBytes } from '../../machine/path-bytes.js'
import { type FileUser, type FileUsers, mainUsers } from '../../machine/processes/file-users.js'
import { userName } from '../../machine/processes/find-writers.js'
import { shellQuote } from '../../machine/shell-quote.js'
import type { BackingInspection } from '../../overlays/inspect-backing.js'

/** A path in JSON: its text, or its escaped form when it is not UTF-8. */
export function jsonPath(path: HostPath | Uint8Array): string {
  const bytes = pathBytes(path)
  return pathText(bytes) ?? printablePath(bytes)
}

const backingCode = 'BACKING_'

/** Codes of an unfinished merge. Another problem of the backing file says more, so it comes first. */
const aboutMerges: readonly string[] = ['UNFINISHED_MERGE', 'JOURNAL_DAMAGED', 'JOURNAL_MISMATCH']

/** One word for the first problem of the backing file. */
export function backingState(backing: BackingInspection | null): string | null {
  if (backing === null) return null
  const first = backing.findings.find(({ code }) => !aboutMerges.includes(code))
  if (first === undefined) return backing.findings.length === 0 ? 'ok' : 'unfinished-merge'
  return first.code.startsWith(backingCode)
    ? first.code.slice(backingCode.length).toLowerCase().replaceAll('_', '-')
    : 'unreadable'
}

/** Describe the state of a backing file. @param path  of the image above it */
export function backingLines(path: HostPath, backing: BackingInspection | null): string[] {
  if (backing === null) return []
  const lines: string[] = []
  if (backing.located !== null) lines.push(`backing file found: ${printablePath(backing.located.path)}`)
  lines.push(`backing file state: ${backingState(backing)}`)
  for (const finding of backing.findings) lines.push(`    ${escapeText(finding.message)}`)
  if (backing.lookalike !== null) {
    const command = `umlcow rebase -u --relative -b ${shellQuote(backing.lookalike)} ${shellQuote(path)}`
    lines.push(
      `    a file with that name, size and mtime is beside the overlay: ${printablePath(backing.lookalike)}`,
      `    to use it: ${command}`,
    )
  }
  return lines
}

/** Name the processes that have a file open. */
export function usersText({ users, unseen }: FileUsers): string {
  const unknown = unseen.length === 0 ? '' : ` (not looked at: ${unseen.join('; ')})`
  if (users.length === 0) return `nobody seen${unknown}`
  const how = ({ access, seen }: FileUser) =>
    seen === 'lock' ? `${access} lock` : access === 'write' ? 'open for writing' : 'open for reading'
  const main = mainUsers(users)
  const names = main.map((user) => `${userName(user)} (${how(user)})`)
  const helpers = users.length - main.length
  return `${names.join(', ')}${helpers > 0 ? ` and ${helpers} processes that share its open file` : ''}${unknown}`
}
