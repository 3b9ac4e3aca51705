export {
  type FakerootRecord,
  type FileIdentity,
  fakerootRecord,
  parseFakerootLine,
  readFakeroot,
  serializeFakerootLine,
  writeFakeroot,
} from './save-file.js'
