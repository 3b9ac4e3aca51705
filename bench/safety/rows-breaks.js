// Rows about merges that do not come to their end, and about taking one back.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs'
import path from 'node:path'
import { stopHalfWay } from './half-way.js'
import { contentOf } from './overlays.js'
import { newNames } from './place.js'
import { prepare, run } from './processes.js'
import { makePair, ownChanges, runLooking } from './scenes.js'
import { missingOf } from './tools.js'
import { endText, exitText, imageText, listText, readText } from './words.js'

const mount = '/bin/mount'
const umount = '/bin/umount'
const mebibyte = 2 ** 20

async function killHalfWay(tool, place) {
  const { pair, merge } = await stopHalfWay(tool, place, tool.keepSiblings)
  merge.child.kill('SIGKILL')
  await merge.ended
  const left = await leftText(tool, place, pair)
  return listText([left, `afterwards ${await recoverText(tool, place, pair)}`])
}

/** What somebody finds who does not know of the merge. */
async function leftText(tool, place, pair) {
  const made = readdirSync(place.directory).filter((name) => ![pair.cow, pair.sibling, 'root_fs'].includes(name))
  const tells =
    made.length === 0
      ? '**nothing tells of it**'
      : `told by ${made
          .sort()
          .map((name) => `\`${name}\``)
          .join(', ')}`
  const own = readText('overlay', await tool.read(place, pair.cow), pair.merged)
  return listText([imageText(place.backing, pair), tells, own, await siblingText(tool, place, pair)])
}

async function siblingText(tool, place, pair) {
  return pair.sibling === null ? '' : readText('sibling', await tool.read(place, pair.sibling), pair.siblingBytes)
}

async function recoverText(tool, place, pair) {
  const outcome = await run(tool.recover(pair.cow), { cwd: place.directory })
  const name = tool.recover('').join(' ') === tool.inPlace('').join(' ') ? 'the same again' : '`--resume`'
  return listText([
    `${name}: ${exitText(outcome)}`,
    imageText(place.backing, pair),
    await siblingText(tool, place, pair),
  ])
}

/** A small file system of its own for the backing file. */
async function onSmallDisk(tool, place, options, then) {
  const disk = path.join(place.scratch, 'disk')
  mkdirSync(disk)
  await prepare([mount, '-t', 'tmpfs', '-o', `size=${4 * mebibyte}`, 'tmpfs', disk])
  try {
    place.backing = path.join(disk, 'root_fs')
    const old = Buffer.alloc(16 * mebibyte)
    old.fill('backing ', 0, 2 * mebibyte)
    place.setBacking(old.subarray(0, 2 * mebibyte), { size: old.length })
    const changes = [{ start: 1024, count: 20 * 1024, text: 'node0' }]
    const cow = tool.overlay('cow')
    await tool.write(place, cow, changes)
    const merged = Buffer.from(old)
    contentOf(changes[0]).copy(merged, 1024 * 512)
    const pair = { cow, old, merged, sibling: null }
    const { outcome, before, after } = await runLooking(place, tool.inPlace(cow, ...options))
    return await then({ pair, outcome, before, after, disk })
  } finally {
    await prepare([umount, disk])
    rmdirSync(disk)
  }
}

function whyNoDisk() {
  if (process.getuid() !== 0) return 'not run: needs root'
  return missingOf(mount, umount) === null ? null : 'not run: needs mount'
}

/** Old content of what a merge has overwritten, wherever it may have been kept. */
function isOldKept(place, { old }) {
  const { start } = ownChanges[0]
  const sector = old.subarray(start * 512, start * 512 + 512)
  return readdirSync(place.directory).some((name) => readFileSync(place.file(name)).includes(sector))
}

export const breakRows = [
  {
    id: 'killed',
    text: '`kill -9` while the image is written, with a sibling (`--keep-siblings`)',
    run: killHalfWay,
  },
  {
    id: 'disk-full',
    text: 'in place, the disk has less room than the merge may need',
    whyNot: whyNoDisk,
    run: (tool, place) =>
      onSmallDisk(tool, place, [], ({ pair, outcome, before, after }) => {
        const text = endText(outcome, before, after)
        return text.startsWith('refused') ? text : listText([text, imageText(place.backing, pair)])
      }),
  },
  {
    id: 'disk-full-half-way',
    text: 'the disk becomes full while the image is written (`umlcow merge -d --force=room`); then room is made',
    whyNot: whyNoDisk,
    run: (tool, place) =>
      onSmallDisk(tool, place, tool.evenWithoutRoom, async ({ pair, outcome, before, after, disk }) => {
        const made = newNames(before, after)
        const tells = made.length === 0 && outcome.status === 0 ? '**nothing tells of it**' : ''
        const first = listText([exitText(outcome), imageText(place.backing, pair), tells])
        const own = readText('overlay', await tool.read(place, pair.cow), pair.merged)
        await prepare([mount, '-o', `remount,size=${64 * mebibyte}`, disk])
        return listText([first, own, `afterwards ${await recoverText(tool, place, pair)}`])
      }),
  },
  {
    id: 'undo',
    text: 'take a merge in place back (`umlcow merge -d --backup`)',
    async run(tool, place) {
      const pair = await makePair(tool, place)
      await runLooking(place, tool.inPlace(pair.cow, ...tool.keepUndo))
      if (!isOldKept(place, pair)) return '**what was overwritten is kept nowhere**'
      if (tool.undo === undefined) return 'what was overwritten is kept somewhere'
      const outcome = await run([...tool.undo, ...tool.evenWithSiblings], { cwd: place.directory })
      return listText([exitText(outcome), existsSync(place.backing) ? imageText(place.backing, pair) : ''])
    },
  },
]
