// What a merge should reach. The page calls the floor of a target its minimum and the stretch its goal.

/**
 * @typedef {object} Target
 * @property {'in place, steady' | 'new file'} kind
 * @property {string} workload
 * @property {string} peer        id of a row
 * @property {string} [against]   its name, where the row's own does not say enough
 * @property {'times' | 'cost'} measure  times: its time / ours, more is better; cost: our time / its, less is better
 * @property {number | null} floor
 * @property {number} stretch
 * @property {string} [ours]      id of the row of ours that counts; default the first
 * @property {boolean} [startUpApart]  without what `node -e 0` takes
 */

const inPlace = (workload, moo, qemu, floor) => [
  target('in place, steady', workload, 'uml_moo', 'times', moo),
  target('in place, steady', workload, 'qemu-commit-unsafe', 'times', qemu),
  target('in place, steady', workload, 'floor', 'cost', floor, workload === 'W3' ? { startUpApart: true } : {}),
]

const newFile = (workload, moo, convert, parallel, cp, copy) => [
  target('new file', workload, 'uml_moo', 'times', moo),
  target('new file', workload, 'qemu-convert', 'times', convert),
  ...(parallel === null ? [] : [target('new file', workload, 'qemu-convert-w', 'times', parallel)]),
  target('new file', workload, cp, 'cost', copy),
]

function target(kind, workload, peer, measure, [floor, stretch], more = {}) {
  return { kind, workload, peer, measure, floor, stretch, ...more }
}

/** @type {readonly Target[]} */
export const targets = [
  ...inPlace('W1', [1.8, 3], [5, 8], [2, 1.3]),
  ...inPlace('W2', [6, 9], [0.8, 1.1], [1.35, 1.1]),
  ...inPlace('W3', [2.5, 6], [5, 10], [2.5, 1.5]),
  ...inPlace('W4', [2.5, 5], [null, 0.8], [0.35, 0.25]),
  ...inPlace('W5', [7, 10], [0.8, 1.2], [1.25, 1.05]),
  ...newFile('W1', [5, 8], [3, 6], [2, 3.5], 'cp-always', [1.3, 0.9]),
  ...newFile('W2', [5, 13], [0.7, 1.4], [0.6, 1.2], 'cp-always', [1.3, 0.8]),
  ...newFile('W3', [50, 200], [4, 7], [3, 5], 'cp-auto', [1.5, 1.1]),
  target('new file', 'W3', 'cp-auto', 'cost', [8, 4], { ours: 'copier-read' }),
  ...newFile('W4', [4, 8], [0.7, 1.1], null, 'cp-auto', [1.8, 1.3]),
  ...newFile('W5', [5, 12], [0.7, 1.15], null, 'cp-always', [1.3, 0.9]),
]

/** What a figure reaches. */
export function reached({ measure, floor, stretch }, figure) {
  const isReached = (goal) => (measure === 'times' ? figure >= goal : figure <= goal)
  if (isReached(stretch)) return 'goal reached'
  if (floor === null) return 'goal not reached'
  return isReached(floor) ? 'minimum reached' : 'not reached'
}
