// Rows about others on the same backing file: guests that run, overlays that lie there.
import { existsSync, readFileSync, utimesSync } from 'node:fs'
import { whileOpen, whyNoGuest } from './guests.js'
import { stopBeforeWriting, stopHalfWay } from './half-way.js'
import { applied } from './overlays.js'
import { pause } from './processes.js'
import { addOverlays, makePair, ownChanges, runLooking, siblingChanges } from './scenes.js'
import { endText, exitText, listText, readText } from './words.js'

/** A run while somebody has `held` open. */
async function underGuest(tool, place, pair, held, command, resultText) {
  return whileOpen(tool, place, held, async () => {
    const { outcome, before, after } = await runLooking(place, command)
    const text = endText(outcome, before, after)
    return text.startsWith('refused') ? text : listText([text, resultText(pair)])
  })
}

function rewrittenText(place, pair) {
  return readFileSync(place.backing).equals(pair.old) ? '' : '**the backing file was rewritten under it**'
}

function newFileText(place) {
  return existsSync(place.file('output')) ? '**an image was made all the same**' : ''
}

/** What is left for the sibling after a merge in place. */
async function afterMerge(tool, place, pair, command) {
  const { outcome, before, after } = await runLooking(place, command)
  const text = endText(outcome, before, after)
  return listText([text, readText('sibling', await tool.read(place, pair.sibling), pair.siblingBytes)])
}

/** Image, overlays and merge inside one second of the clock: the worst of some tries, for one may be too slow. */
async function withinOneSecond(tool, place) {
  let text = ''
  // One that waits for the next second shows the same each time.
  const attempts = tool.waitsForSecond ? 3 : 30
  for (let attempt = 0; attempt < attempts; attempt++) {
    place.clear()
    // A little into the second: file systems take their times from a clock that lags behind by some milliseconds.
    await pause(1050 - (Date.now() % 1000))
    const old = Buffer.alloc(2 ** 18, 'backing ')
    place.setBacking(old, { mtime: null })
    const pair = await addOverlays(tool, place, old, { changes: ownChanges.slice(0, 2), sibling: true })
    text = await afterMerge(tool, place, pair, tool.inPlace(pair.cow, ...tool.evenWithSiblings))
    if (!text.includes('is refused')) return text
  }
  return text
}

/** The overlay of a second machine is merged while the merge of the first one is stopped. */
async function besideStopped(tool, place, { pair, merge }) {
  const second = await runLooking(place, tool.inPlace(pair.sibling, ...tool.keepSiblings))
  merge.child.kill('SIGCONT')
  const first = await merge.ended
  const text = endText(second.outcome, second.before, second.after)
  return listText([`the second: ${text}`, `the first: ${exitText(first)}`, bothText(place, pair)])
}

/** An image is right when it is what one of two overlays shows. */
function bothText(place, { old, merged, siblingBytes }) {
  const bytes = readFileSync(place.backing)
  if (bytes.equals(old)) return 'the image is as it was'
  const isWhole = bytes.equals(merged) || bytes.equals(siblingBytes)
  return isWhole ? 'the image is right' : '**the image is a mixture of both**'
}

export const siblingRows = [
  {
    id: 'guest-on-overlay',
    text: 'in place, somebody has the overlay open: a running guest; with qcow2 `qemu-nbd`',
    whyNot: whyNoGuest,
    async run(tool, place) {
      const pair = await makePair(tool, place)
      const command = tool.inPlace(pair.cow)
      return underGuest(tool, place, pair, pair.cow, command, () => rewrittenText(place, pair))
    },
  },
  {
    id: 'guest-on-sibling',
    text: 'in place, somebody has a sibling open, and by that the backing file',
    whyNot: whyNoGuest,
    async run(tool, place) {
      const pair = await makePair(tool, place, { sibling: true })
      const command = tool.inPlace(pair.cow, ...tool.keepSiblings)
      return underGuest(tool, place, pair, pair.sibling, command, () => rewrittenText(place, pair))
    },
  },
  {
    id: 'guest-new-file',
    text: 'into a new file, somebody has the overlay open',
    whyNot: whyNoGuest,
    async run(tool, place) {
      const pair = await makePair(tool, place)
      const command = tool.newFile(pair.cow, place.file('output'))
      return underGuest(tool, place, pair, pair.cow, command, () => newFileText(place))
    },
  },
  {
    id: 'sibling',
    text: 'in place, there is a sibling: another overlay on the backing file',
    async run(tool, place) {
      const pair = await makePair(tool, place, { sibling: true })
      return afterMerge(tool, place, pair, tool.inPlace(pair.cow))
    },
  },
  {
    id: 'sibling-touch',
    text: 'the same, and then the remedy that users pass on: `touch` sets the mtime of the backing file back',
    async run(tool, place) {
      const pair = await makePair(tool, place, { sibling: true })
      const { mtime } = place.statBacking()
      const { outcome } = await runLooking(place, tool.inPlace(pair.cow))
      utimesSync(place.backing, mtime, mtime)
      return listText([exitText(outcome), readText('sibling', await tool.read(place, pair.sibling), pair.siblingBytes)])
    },
  },
  {
    id: 'sibling-kept',
    text: 'in place, there is a sibling that is to live on (`umlcow merge -d --keep-siblings`)',
    async run(tool, place) {
      const pair = await makePair(tool, place, { sibling: true })
      return afterMerge(tool, place, pair, tool.inPlace(pair.cow, ...tool.keepSiblings))
    },
  },
  {
    id: 'stale-sibling',
    text: 'in place, there is a sibling of an older state of the backing file',
    async run(tool, place) {
      const { old, sibling } = await makePair(tool, place, { sibling: true })
      const now = applied(old, [{ start: 900, count: 4, text: 'updated' }])
      place.setBacking(now, { mtime: place.statBacking().mtimeMs / 1000 + 1000 })
      const pair = await addOverlays(tool, place, now)
      const before = await tool.read(place, sibling)
      const { outcome } = await runLooking(place, tool.inPlace(pair.cow, ...tool.keepSiblings))
      const right = applied(old, siblingChanges)
      const beforeText = readText('sibling', before, right)
      return listText([
        `before: ${beforeText}`,
        exitText(outcome),
        readText('sibling', await tool.read(place, sibling), right),
      ])
    },
  },
  {
    id: 'one-second',
    text: 'image, overlay, sibling and merge within one second (`umlcow merge -d --force=siblings`)',
    run: withinOneSecond,
  },
  {
    id: 'second-merge',
    text: 'a sibling is merged in place while a merge in place is half way (`umlcow merge -d --keep-siblings`)',
    run: async (tool, place) => besideStopped(tool, place, await stopHalfWay(tool, place, tool.keepSiblings)),
  },
  {
    id: 'two-at-once',
    text: 'the same, when the first merge has opened the backing file and not written to it yet',
    run: async (tool, place) => besideStopped(tool, place, await stopBeforeWriting(tool, place, tool.keepSiblings)),
  },
]
