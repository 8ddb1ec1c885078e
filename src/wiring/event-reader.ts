import { existsSync } from 'node:fs';
import type { Config } from '../config/schema.ts';
import { SqliteDatabase } from '../store/sqlite/database.ts';
import { SqliteEventReader } from '../store/sqlite/sqlite-event-reader.ts';
import { StartError } from './start-error.ts';

export function databasePath({ storage }: Config): string {
  return storage.url.replace(/^sqlite:/, '');
}

/**
 * Opens the event log that a config names, for reading only. Safe while a gateway is writing to it.
 * @throws StartError when there is no log to read
 */
export function openEventLog(config: Config): SqliteEventReader {
  return new SqliteEventReader(existingLog(config));
}

/**
 * Opens the event log that a config names, to change it. Safe while a gateway is writing to it.
 * @throws StartError when there is no log
 */
export function openEventLogToChange(config: Config): SqliteDatabase {
  return new SqliteDatabase(existingLog(config));
}

function existingLog(config: Config): string {
  const path = databasePath(config);
  if (path === ':memory:') throw new StartError('The config keeps the event log in memory: there is nothing to read.');
  if (!existsSync(path))
    throw new StartError(`There is no event log at ${path}: no gateway has written one with this config here.`);
  return path;
}
