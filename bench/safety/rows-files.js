// Rows about which file is written, and what is in it afterwards.
import { chmodSync, chownSync, copyFileSync, readFileSync, statSync } from 'node:fs'
import { applied, storedBytes } from './overlays.js'
import { newNames, oldMtime } from './place.js'
import { makePair, runLooking } from './scenes.js'
import { missingOf, umlMkcow } from './tools.js'
import { endText, exitText, imageText, listText, readText } from './words.js'

/** The output is an input: what becomes of both. */
async function ontoInput(tool, place, commandOf) {
  const pair = await makePair(tool, place)
  const { outcome, before, after } = await runLooking(place, commandOf(pair))
  const text = endText(outcome, before, after)
  if (text.startsWith('refused')) return text
  const isEmpty = statSync(place.file(pair.cow)).size === 0
  return listText([text, isEmpty ? '**the overlay has 0 bytes**' : imageText(place.backing, pair)])
}

async function mergeAndLook(place, pair, command, image = place.backing) {
  const { outcome, before, after } = await runLooking(place, command)
  const text = endText(outcome, before, after)
  return text.startsWith('refused') ? text : listText([text, imageText(image, pair)])
}

/** Its size is no multiple of 512, and the overlay changes its last bytes. */
function makeOddPair(tool, place) {
  const changes = [
    { start: 4, count: 2, text: 'node0' },
    { start: 20, count: 1, text: 'node0' },
  ]
  return makePair(tool, place, { size: 10_340, changes })
}

/** A hole in the backing file, and an overlay that stores zeros there: they need no room. */
async function makeHolePair(tool, place) {
  const old = Buffer.alloc(2 ** 20)
  old.fill('backing ', 0, 2 ** 18)
  place.setBacking(old.subarray(0, 2 ** 18), { size: old.length })
  const changes = [
    { start: 8, count: 8, text: 'node0' },
    { start: 1024, count: 1024, text: '' },
  ]
  const cow = tool.overlay('cow')
  await tool.write(place, cow, changes, { storeAll: true })
  return { cow, old, merged: applied(old, changes) }
}

function holesText(before, after) {
  return after < before + 2 ** 18 ? 'holes stay holes' : '**holes are filled with zeros**'
}

export const fileRows = [
  {
    id: 'output-is-backing',
    text: 'a new file is asked for, and its name is that of the backing file',
    run: (tool, place) => ontoInput(tool, place, ({ cow }) => tool.ontoBacking(place.backing, cow)),
  },
  {
    id: 'output-is-overlay',
    text: 'a new file is asked for, and its name is that of the overlay',
    run: (tool, place) => ontoInput(tool, place, ({ cow }) => tool.ontoItself(cow)),
  },
  {
    id: 'option-order',
    text: 'in place, `-b BACKING` before `-d`, as the usage of `uml_moo` prints it',
    async run(tool, place) {
      const pair = await makePair(tool, place)
      return mergeAndLook(place, pair, tool.withBacking(place.backing, pair.cow))
    },
  },
  {
    id: 'tail-new-file',
    text: 'image of 10 340 bytes (no multiple of 512), into a new file',
    async run(tool, place) {
      const pair = await makeOddPair(tool, place)
      const output = place.file('output')
      return mergeAndLook(place, pair, tool.newFile(pair.cow, output), output)
    },
  },
  {
    id: 'tail-in-place',
    text: 'the same image, in place',
    async run(tool, place) {
      const pair = await makeOddPair(tool, place)
      return mergeAndLook(place, pair, tool.inPlace(pair.cow))
    },
  },
  {
    id: 'copied-backing',
    text: 'in place, the backing file was copied and has a new mtime',
    async run(tool, place) {
      const pair = await makePair(tool, place)
      copyFileSync(place.backing, place.file('copy'))
      place.setBacking(readFileSync(place.file('copy')), { mtime: oldMtime + 1000 })
      return mergeAndLook(place, pair, tool.inPlace(pair.cow))
    },
  },
  {
    id: 'nothing-to-do',
    text: 'in place, the backing file holds all of the overlay already',
    async run(tool, place) {
      const pair = await makePair(tool, place)
      place.setBacking(pair.merged)
      const { outcome } = await runLooking(place, tool.inPlace(pair.cow))
      const isKept = statSync(place.backing).mtimeMs === oldMtime * 1000
      const read = readText('overlay', await tool.read(place, pair.cow), pair.merged)
      return listText([exitText(outcome), isKept ? 'mtime kept' : 'new mtime', read])
    },
  },
  {
    id: 'mode-and-owner',
    text: 'in place, permissions and owner of the backing file',
    async run(tool, place) {
      const pair = await makePair(tool, place)
      chmodSync(place.backing, 0o640)
      if (process.getuid() === 0) chownSync(place.backing, 1, 2)
      const keep = ({ mode, uid, gid }) => [mode, uid, gid].join(' ')
      const before = keep(statSync(place.backing))
      // chown and chmod leave the mtime alone.
      const text = await mergeAndLook(place, pair, tool.inPlace(pair.cow))
      return listText([text, keep(statSync(place.backing)) === before ? 'both kept' : '**changed**'])
    },
  },
  {
    id: 'holes',
    text: 'in place, zeros in the overlay over a hole of the backing file',
    async run(tool, place) {
      const pair = await makeHolePair(tool, place)
      const before = storedBytes(place.backing)
      const text = await mergeAndLook(place, pair, tool.inPlace(pair.cow))
      return listText([text, holesText(before, storedBytes(place.backing))])
    },
  },
  {
    id: 'start-clean',
    text: 'start clean: empty an overlay (`umlcow reset`, `uml_mkcow -f`, `qemu-img create`)',
    whyNot: whyNoMkcow,
    async run(tool, place) {
      const pair = await makePair(tool, place)
      const { outcome } = await runLooking(place, tool.startClean(pair.cow, place.backing))
      const { bytes, refused } = await tool.read(place, pair.cow)
      if (refused !== undefined) return listText([exitText(outcome), `the overlay is refused (${refused})`])
      const isClean = bytes.equals(pair.old)
      return listText([exitText(outcome), isClean ? 'the overlay is empty' : '**the old changes show through**'])
    },
  },
  {
    id: 'creation-fails',
    text: 'make an overlay on a backing file that is not there (`umlcow create`, `uml_mkcow`, `qemu-img create`)',
    whyNot: whyNoMkcow,
    async run(tool, place) {
      place.writeBacking(4096)
      const cow = tool.overlay('cow')
      const { outcome, before, after } = await runLooking(place, tool.create(cow, place.file('missing')))
      const left = newNames(before, after).map(
        (name) => `**a file of ${statSync(place.file(name)).size} bytes is left**`,
      )
      return listText([endText(outcome, before, after), ...left])
    },
  },
]

function whyNoMkcow(tool) {
  return tool.name.includes('uml_mkcow') && missingOf(umlMkcow) !== null ? 'not run: needs uml_mkcow' : null
}
