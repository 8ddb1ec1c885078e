import type { Draw } from './draw.ts';
import type { QueryKind, Task } from './kind.ts';
import { CITIES, COMPANIES, LAST_NAMES, MONTHS } from './words.ts';

const COUNTRIES = [
  'England',
  'Germany',
  'California',
  'France',
  'Ireland',
  'New York',
  'the Netherlands',
  'Ontario',
] as const;

function clause(d: Draw): string {
  const party = d.pick(['Supplier', 'Licensee', 'Contractor', 'Tenant', 'Processor']);
  const number = `${d.int(4, 19)}.${d.int(1, 9)}`;
  return d.pick([
    `${number} The ${party} shall indemnify and hold harmless ${d.pick(COMPANIES)} against all losses arising out of or in connection with any breach of this Agreement, save that its aggregate liability shall not exceed ${d.int(50, 200)}% of the Fees paid in the preceding ${d.int(6, 24)} months, such cap not applying to clauses ${d.int(2, 9)} and ${d.int(20, 29)}.`,
    `${number} During the Term and for ${d.int(6, 36)} months thereafter, the ${party} shall not, directly or indirectly, solicit or engage any client of ${d.pick(COMPANIES)} with whom it had material dealings in the ${d.int(3, 24)} months prior to termination, within a radius of ${d.int(5, 300)} km of ${d.pick(CITIES)}.`,
    `${number} Either party may terminate this Agreement on ${d.int(14, 120)} days' written notice; provided that the ${party} may not do so before the ${d.int(1, 5)}th anniversary of the Effective Date unless the other party is in material breach and fails to remedy it within ${d.int(7, 45)} days of notice.`,
    `${number} Title to the Deliverables shall pass to ${d.pick(COMPANIES)} upon payment in full, whereas risk passes on delivery in ${d.pick(CITIES)}. The ${party} grants a perpetual, non-exclusive licence to any Background IP to the extent necessary to use the Deliverables.`,
  ]);
}

const tasks: Task[] = [
  {
    difficulty: 0.6,
    write: (d) =>
      `What does this clause mean for us if we are the ${d.pick(['smaller party', 'customer', 'supplier', 'subcontractor'])}, under the law of ${d.pick(COUNTRIES)}? Is it enforceable?\n\n"${clause(d)}"`,
  },
  {
    difficulty: 0.75,
    write: (d) =>
      `Compare these two clauses and tell me which one is worse for the ${d.pick(['buyer', 'employee', 'licensor', 'landlord'])} and how a court in ${d.pick(COUNTRIES)} would read them together:\n\n(A) ${clause(d)}\n\n(B) ${clause(d)}`,
  },
  {
    difficulty: 0.5,
    write: (d) =>
      `My landlord in ${d.pick(COUNTRIES)} wants to ${d.pick(['keep the deposit', 'raise the rent by', 'end the lease and asks for', 'charge me for repairs worth'])} ${d.int(200, 3900)} because of ${d.pick(['scratches on the floor', 'a broken boiler', 'late notice', 'a subtenant', 'mould in the bathroom'])}. I moved in in ${d.pick(MONTHS)} ${d.int(2016, 2024)} and the contract says ${d.int(1, 6)} months' notice. What are my rights and which deadlines apply?`,
  },
  {
    difficulty: 0.65,
    write: (d) =>
      `${d.pick(['We were sent', 'A client asks us to accept'])} a ${d.pick(['GDPR data processing agreement', 'non-disclosure agreement', 'SaaS master agreement', 'commercial lease', 'consultancy contract'])} with a liability cap of ${d.int(10, 900)}k, governed by the law of ${d.pick(COUNTRIES)}, audits with ${d.int(2, 30)} days' notice and sub-processors in ${d.some(COUNTRIES, 2).join(' and ')}. Which points must be negotiated, and what wording would you propose for each?`,
  },
  {
    difficulty: 0.55,
    write: (d) =>
      `Employee ${d.pick(LAST_NAMES)} (${d.int(1, 24)} years with the company, ${d.pick(['pregnant', 'on sick leave', 'part-time', 'on a fixed-term contract', 'member of the works council'])}) shall be dismissed because ${d.pick(['the site is closing', 'of repeated lateness', 'the role no longer exists', 'of a data leak'])}. Jurisdiction: ${d.pick(COUNTRIES)}. Notice served on ${d.int(1, 28)} ${d.pick(MONTHS)}. Is the dismissal valid and what would a tribunal look at?`,
  },
  {
    difficulty: 0.7,
    write: (d) =>
      `Draft a ${d.pick(['limitation of liability', 'force majeure', 'confidentiality', 'assignment', 'dispute resolution', 'price adjustment'])} clause for a contract between ${d.some(COMPANIES, 2).join(' and ')} under the law of ${d.pick(COUNTRIES)}: term ${d.int(1, 9)} years, seat of arbitration ${d.pick(CITIES)}, must survive termination by ${d.int(1, 7)} years. Explain each carve-out.`,
  },
];

export const LEGAL: QueryKind = {
  id: 'legal',
  share: 0.6,
  tasks,
  systems: ['You are an assistant for in-house lawyers. Cite the rule you rely on and say how sure you are.'],
  systemChance: 0.35,
  openers: ['', '', '', 'Legal question: ', 'I know this is not legal advice, but: '],
  closers: ['', '', '', ' Please be precise.', '\n\nWhat should we do next?'],
};
