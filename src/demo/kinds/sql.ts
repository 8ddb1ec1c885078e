import type { Draw } from './draw.ts';
import type { QueryKind, Task } from './kind.ts';
import { COMPANIES, MONTHS } from './words.ts';

const DIALECTS = ['PostgreSQL', 'MySQL 8', 'SQLite', 'BigQuery', 'SQL Server', 'Snowflake'] as const;
const SCHEMAS = [
  ['customers', 'orders', 'total_cents', 'placed_at', 'customer_id'],
  ['patients', 'visits', 'fee', 'visited_on', 'patient_id'],
  ['drivers', 'trips', 'distance_km', 'started_at', 'driver_id'],
  ['students', 'grades', 'points', 'graded_on', 'student_id'],
  ['subscribers', 'payments', 'amount', 'paid_at', 'subscriber_id'],
  ['machines', 'readings', 'temperature', 'read_at', 'machine_id'],
] as const;

function tables(d: Draw): { schema: (typeof SCHEMAS)[number]; ddl: string } {
  const schema = d.pick(SCHEMAS);
  const [parent, child, value, time, key] = schema;
  return {
    schema,
    ddl: `CREATE TABLE ${parent} (id BIGINT PRIMARY KEY, name TEXT, region TEXT);\nCREATE TABLE ${child} (\n  id BIGINT PRIMARY KEY,\n  ${key} BIGINT REFERENCES ${parent}(id),\n  ${value} NUMERIC,\n  ${time} TIMESTAMP\n);`,
  };
}

const tasks: Task[] = [
  {
    difficulty: 0.25,
    write: (d) => {
      const { schema, ddl } = tables(d);
      return `${ddl}\n\nWrite a query (${d.pick(DIALECTS)}) for the ${d.int(3, 50)} ${schema[0]} with the highest total ${schema[2]} in ${d.pick(MONTHS)} ${d.int(2019, 2025)}, including those without any ${schema[1]} as 0.`;
    },
  },
  {
    difficulty: 0.55,
    write: (d) => {
      const { schema, ddl } = tables(d);
      return `Given\n\n${ddl}\n\nI need for every region the ${d.pick(['median', '90th percentile', 'second highest value', 'running total', 'month-over-month change'])} of ${schema[2]} over the last ${d.int(2, 24)} months, in ${d.pick(DIALECTS)}. Window functions are fine.`;
    },
  },
  {
    difficulty: 0.6,
    write: (d) => {
      const { schema } = tables(d);
      return `This query takes ${d.int(4, 90)} seconds on ${d.int(2, 80)} million rows in ${d.pick(DIALECTS)}. How do I speed it up?\n\n\`\`\`sql\nSELECT p.name, (SELECT MAX(c.${schema[2]}) FROM ${schema[1]} c WHERE c.${schema[4]} = p.id)\nFROM ${schema[0]} p\nWHERE p.id IN (SELECT ${schema[4]} FROM ${schema[1]} WHERE YEAR(${schema[3]}) = ${d.int(2018, 2025)})\nORDER BY 2 DESC LIMIT ${d.int(10, 500)};\n\`\`\`\nWhich index would you add?`;
    },
  },
  {
    difficulty: 0.15,
    write: (d) => {
      const [parent, child, value, time, key] = d.pick(SCHEMAS);
      return `sql: how do I ${d.pick(['delete duplicate rows from', 'count rows per day in', 'join the latest row of', 'find gaps in', 'add a NOT NULL column to'])} ${child} ${d.pick([`by ${key}`, `using ${time}`, `where ${value} > ${d.int(5, 900)}`, `together with ${parent}`])} in ${d.pick(DIALECTS)}`;
    },
  },
  {
    difficulty: 0.75,
    write: (d) => {
      const { schema, ddl } = tables(d);
      return `We are moving ${d.pick(COMPANIES)}'s reporting to ${d.pick(DIALECTS)}. Schema:\n\n${ddl}\n\nWrite a recursive CTE or gaps-and-islands query which finds, per row of ${schema[0]}, the longest streak of consecutive ${d.pick(['days', 'weeks', 'months'])} with at least ${d.int(1, 6)} ${schema[1]} and a ${schema[2]} above ${d.int(10, 400)}, with the start and end of the streak. Ties go to the most recent one.`;
    },
  },
  {
    difficulty: 0.4,
    write: (d) => {
      const [parent, child, value] = d.pick(SCHEMAS);
      return `Explain the difference between these two for ${d.int(100, 9000)}k rows and tell me which one counts ${parent} twice:\n\nSELECT COUNT(*) FROM ${parent} p LEFT JOIN ${child} c ON c.${value} > ${d.int(1, 500)};\nSELECT COUNT(DISTINCT p.id) FROM ${parent} p JOIN ${child} c ON c.${value} > ${d.int(1, 500)};`;
    },
  },
];

export const SQL: QueryKind = {
  id: 'sql',
  share: 1,
  tasks,
  systems: [
    'You turn questions into SQL for the analytics team. Return only the query unless asked for an explanation.',
  ],
  systemChance: 0.35,
  openers: ['', '', '', 'Hi! ', 'Database question. ', 'Need some help with a report. '],
  closers: ['', '', '', ' Comment each CTE.', '\n\nthx'],
};
