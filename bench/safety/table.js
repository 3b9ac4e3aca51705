// The table as Markdown, and its place in a page.

export const tableBegin = '<!-- made by "npm run safety": begin -->'
export const tableEnd = '<!-- made by "npm run safety": end -->'

export function tableText(head, lines) {
  const line = (cells) => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map(() => '---')), ...lines.map(line)].join('\n')
}

/** The page with another table between its markers. */
export function replaceTable(page, table) {
  const [begin, end] = [page.indexOf(tableBegin), page.indexOf(tableEnd)]
  if (begin < 0 || end < begin) throw new Error(`no place for the table: expected ${tableBegin} and ${tableEnd}`)
  return `${page.slice(0, begin + tableBegin.length)}\n${table}${page.slice(end)}`
}
