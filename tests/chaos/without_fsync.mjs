// Before local/queue/server.mjs: its file is written, and not forced to the disk after each message. The
// service is killed in the chaos test, the machine is not.
import { DatabaseSync } from 'node:sqlite';

const { exec } = DatabaseSync.prototype;
DatabaseSync.prototype.exec = function (sql) {
  exec.call(this, sql);
  if (sql.startsWith('PRAGMA journal_mode')) exec.call(this, 'PRAGMA synchronous = OFF');
};
