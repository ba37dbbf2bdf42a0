import { Client, request } from 'undici';
import { type Finding, finding } from '../findings.ts';
import type { BenchRun } from '../bench-run.ts';
import { pageSize } from '../sizes.ts';
import { percentileOf } from '../statistics.ts';
import type { Place } from './contestants.ts';

const codings = ['identity', 'gzip', 'br', 'zstd'] as const;
type Coding = (typeof codings)[number];

const pagesARound = 20;

interface Page {
  readonly bytes: number;
  readonly ms: number;
  /** What the service chose, whatever it was asked for. */
  readonly coding: string;
}

/** The first page of a tenant in each coding, one request at a time: bytes on the connection, and how long it takes. */
export async function measureCodings(
  bench: BenchRun,
  { url }: Place,
  tenant: string,
): Promise<readonly Finding[]> {
  const authorization = `Bearer ${bench.tokens([tenant])[tenant]}`;
  const dispatcher = new Client(url, { pipelining: 1 });

  async function readPage(coding: Coding): Promise<Page> {
    const sentAt = performance.now();
    const { statusCode, headers, body } = await request(
      `${url}/api/sync/changes?limit=${pageSize}`,
      { dispatcher, headers: { authorization, 'accept-encoding': coding } },
    );
    const bytes = (await body.arrayBuffer()).byteLength;
    if (statusCode !== 200) throw new Error(`a page was answered with ${statusCode}`);
    const answered = String(headers['content-encoding'] ?? 'identity');
    return { bytes, ms: performance.now() - sentAt, coding: answered };
  }

  const pages = new Map<Coding, Page[]>(codings.map((coding) => [coding, []]));
  try {
    for (const coding of codings) await readPage(coding);
    for (let round = 0; round < bench.sizes.rounds; round += 1) {
      for (const coding of codings) {
        for (let page = 0; page < pagesARound; page += 1) {
          pages.get(coding)?.push(await readPage(coding));
        }
      }
    }
  } finally {
    await dispatcher.close();
  }
  return [...pages].flatMap(([coding, read]) => toFindings(coding, read));
}

/** The service's choice is named where it is another. */
function toFindings(coding: Coding, pages: readonly Page[]): readonly Finding[] {
  const answered = pages[0]?.coding ?? coding;
  const name = `a page, ${coding}${answered === coding ? '' : ` (answered ${answered})`}`;
  const times = Array.from({ length: pages.length / pagesARound }, (_, round) => {
    const ofRound = pages.slice(round * pagesARound, (round + 1) * pagesARound);
    return percentileOf(Float64Array.from(ofRound, ({ ms }) => ms).sort(), 0.5);
  });
  return [
    finding(
      name,
      'bytes',
      pages.map(({ bytes }) => bytes),
    ),
    finding(name, 'ms', times),
  ];
}
