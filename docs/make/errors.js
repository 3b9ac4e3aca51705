// Writes docs/errors.md from the tables of the built command: "npm run docs:errors". A test compares the page with them.
import { writeFileSync } from 'node:fs'
import { statusMeanings } from '../../dist/cli/exit-status.js'
import { errorGroups } from '../../dist/errors.js'

const introduction = `# Exit statuses and error codes

This page is made from the table in \`src/errors.ts\`: run \`npm run docs:errors\` after a change.

A verb of the command ends with one of these statuses:`

const aboutCodes = `A failure of the library is an \`UmlcowError\`. Its \`code\` is one of the codes below, or a code of the operating system
such as \`ENOENT\` or \`ENOSPC\`. The library exports the table as \`errorCodes\`. With \`--json\` the command prints the code as
\`error.code\`. The code \`INTERNAL\` means a defect of umlcow itself. Codes do not change. Messages may.

The exit status for \`INTERNAL\` and for codes of the operating system is 1. "1 or 4" means: a verb that only reads fails
with status 1; a verb that writes refuses with status 4, and has changed nothing. \`check --repair\`, \`humfs check --repair\`
and \`map\` with \`--svg\` or \`--png\` write, too.`

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n')
}

function statusText({ exitStatus, whenWriting, afterSignal }) {
  const status = whenWriting === undefined ? `${exitStatus}` : `${exitStatus} or ${whenWriting}`
  return afterSignal === undefined ? status : `${status}; after a signal ${afterSignal.join(', ')}`
}

/** The text of docs/errors.md. */
export function errorsPage() {
  const groups = Object.entries(errorGroups).map(([title, entries]) => {
    const rows = Object.entries(entries).map(([code, entry]) => [`\`${code}\``, entry.meaning, statusText(entry)])
    return `## ${title}\n\n${table(['Code', 'Meaning', 'Exit status'], rows)}`
  })
  return `${[introduction, table(['Status', 'Meaning'], statusMeanings), aboutCodes, ...groups].join('\n\n')}\n`
}

if (import.meta.filename === process.argv[1]) writeFileSync(new URL('../errors.md', import.meta.url), errorsPage())
