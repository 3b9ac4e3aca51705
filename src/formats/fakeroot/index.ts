export { type FileRecord, packedLength, packRecord, unpackRecord } from './packed-record.js'
export {
  type FakerootRecord,
  type FileIdentity,
  fakerootRecord,
  parseFakerootLine,
  readFakeroot,
  serializeFakerootLine,
  writeFakeroot,
} from './save-file.js'
