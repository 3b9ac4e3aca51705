export {
  isJournalBlockRight,
  isJournalCommitRight,
  isJournalDataRight,
  journalCommitTime,
  transactionChecksum,
} from './checksums.js'
export { parseFastCommitHead } from './fast-commit.js'
export { journalBlockTypes, journalMagic, parseJournalHeader } from './header.js'
export { type JournalSuperblock, journalSuperblockSize, parseJournalSuperblock } from './superblock.js'
export { type JournalTag, parseJournalRevokes, parseJournalTags } from './tags.js'
