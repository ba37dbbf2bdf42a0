import { readFileSync } from 'node:fs';
import type { ProblemCode } from '../errors.ts';

/** Requests that were sent to a real service, and what it answered. See src/cli/openapi.ts. */
export interface Examples {
  readonly pushBody: Record<string, unknown>;
  readonly pushAnswer: Record<string, unknown>;
  readonly salesBody: Record<string, unknown>;
  readonly salesAnswer: Record<string, unknown>;
  readonly pullAnswer: Record<string, unknown>;
  readonly conflictsAnswer: Record<string, unknown>;
  readonly resolutionBody: Record<string, unknown>;
  readonly resolutionAnswer: Record<string, unknown>;
  readonly historyAnswer: Record<string, unknown>;
  readonly receiptsAnswer: Record<string, unknown>;
  readonly problems: { readonly [code in ProblemCode]?: unknown };
}

export const examplesFile = new URL('./examples.json', import.meta.url);

export function readExamples(): Examples {
  return JSON.parse(readFileSync(examplesFile, 'utf8'));
}
