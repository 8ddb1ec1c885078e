import type { DatabaseSync } from 'node:sqlite';

export type Statements = ReturnType<typeof prepareStatements>;

/** Every statement that the store runs more than once. */
export function prepareStatements(database: DatabaseSync) {
  const prepare = (sql: string) => database.prepare(sql);
  return {
    insert: prepare('INSERT INTO events (type, decision_id, time, unique_key, body) VALUES (?, ?, ?, ?, ?)'),
    alias: prepare('INSERT OR REPLACE INTO aliases (alias, decision_id) VALUES (?, ?)'),
    newAlias: prepare('INSERT OR IGNORE INTO aliases (alias, decision_id) VALUES (?, ?)'),
    // A damaged row must not prevent new ones from being written.
    keyOf: prepare(
      "SELECT iif(json_valid(body), body ->> '$.key', NULL) AS key FROM events WHERE decision_id = ? AND type = 'decided'",
    ),
    eraseComment: prepare(
      "UPDATE events SET body = json_set(body, '$.comment', NULL) WHERE decision_id = ? AND type = 'rated' AND iif(json_valid(body), body ->> '$.feedbackId' = ? AND body ->> '$.comment' IS NOT NULL, FALSE)",
    ),
    byUniqueKey: prepare('SELECT sequence, body FROM events WHERE unique_key = ?'),
    after: prepare('SELECT sequence, body FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?'),
    ofDecision: prepare('SELECT sequence, body FROM events WHERE decision_id = ? ORDER BY sequence'),
    named: prepare(
      "SELECT sequence, body FROM events WHERE decision_id = ? AND type IN ('completed', 'rated') ORDER BY sequence",
    ),
    byAlias: prepare('SELECT decision_id AS id FROM aliases WHERE alias = ?'),
    last: prepare('SELECT max(sequence) AS last FROM events'),
    ages: prepare(
      "SELECT sequence, decision_id AS id, time FROM events WHERE sequence > ? AND sequence <= ? AND decision_id <> '' ORDER BY sequence",
    ),
    lastOf: prepare('SELECT max(sequence) AS sequence, max(time) AS time FROM events WHERE decision_id = ?'),
    hasEnded: prepare("SELECT 1 FROM events WHERE decision_id = ? AND type = 'completed'"),
    decisionsOf: prepare(
      "SELECT decision_id AS id FROM events WHERE type = 'decided' AND time >= ?1 AND time < ?2 AND (?3 IS NULL OR iif(json_valid(body), body ->> '$.key', NULL) = ?3) ORDER BY sequence",
    ),
    savedUpTo: prepare('SELECT sequence FROM snapshots ORDER BY rowid DESC LIMIT 1'),
    remove: prepare('DELETE FROM events WHERE decision_id = ?'),
    removeAlias: prepare('DELETE FROM aliases WHERE alias = ? AND decision_id = ?'),
    save: prepare('INSERT OR REPLACE INTO snapshots (name, sequence, body) VALUES (?, ?, ?)'),
    load: prepare('SELECT sequence, body FROM snapshots WHERE name = ?'),
    forget: prepare(
      'DELETE FROM snapshots WHERE rowid NOT IN (SELECT rowid FROM snapshots ORDER BY rowid DESC LIMIT ?)',
    ),
  };
}
