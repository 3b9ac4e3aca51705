import { diffLines, type LineChange } from '../../bytes/line-diff.js'

const contextLines = 3

/** Format the changes in the unified format of diff. @param names  of the two files */
export function unifiedText(old: string, now: string, names: readonly [old: string, now: string]): string {
  const [before, after] = [linesOf(old), linesOf(now)]
  const hunks = hunksOf(diffLines(before, after))
  if (hunks.length === 0) return ''
  return `--- ${names[0]}\n+++ ${names[1]}\n${hunks.map((hunk) => hunkText(hunk, before, after)).join('')}`
}

/** Lines with their newlines. */
function linesOf(text: string): string[] {
  const lines: string[] = []
  for (let at = 0; at < text.length; ) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline + 1
    lines.push(text.slice(at, end))
    at = end
  }
  return lines
}

/** Put changes together whose context touches. */
function hunksOf(changes: readonly LineChange[]): LineChange[][] {
  const hunks: LineChange[][] = []
  for (const change of changes) {
    const last = hunks[hunks.length - 1]
    const isNear = last !== undefined && change.oldStart - last[last.length - 1]!.oldEnd <= 2 * contextLines
    if (isNear) last.push(change)
    else hunks.push([change])
  }
  return hunks
}

function hunkText(hunk: readonly LineChange[], before: readonly string[], after: readonly string[]): string {
  const [first, last] = [hunk[0]!, hunk[hunk.length - 1]!]
  const lead = Math.min(contextLines, first.oldStart)
  const [oldStart, newStart] = [first.oldStart - lead, first.newStart - lead]
  const oldEnd = Math.min(before.length, last.oldEnd + contextLines)
  const newEnd = last.newEnd + oldEnd - last.oldEnd
  const lines: string[] = []
  const add = (mark: string, text: readonly string[]) => {
    for (const line of text)
      lines.push(`${mark}${line}${line.endsWith('\n') ? '' : '\n\\ No newline at end of file\n'}`)
  }
  let at = oldStart
  for (const change of hunk) {
    add(' ', before.slice(at, change.oldStart))
    add('-', before.slice(change.oldStart, change.oldEnd))
    add('+', after.slice(change.newStart, change.newEnd))
    at = change.oldEnd
  }
  add(' ', before.slice(at, oldEnd))
  return `@@ -${placeOf(oldStart, oldEnd)} +${placeOf(newStart, newEnd)} @@\n${lines.join('')}`
}

/** The first line, from 1, and the count unless it is 1. An empty stretch has the line before it. */
function placeOf(start: number, end: number): string {
  const count = end - start
  return count === 1 ? `${start + 1}` : `${count === 0 ? start : start + 1},${count}`
}
