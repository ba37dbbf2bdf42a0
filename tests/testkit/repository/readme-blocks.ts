import { readFileSync } from 'node:fs';

interface Block {
  readonly language: string;
  readonly text: string;
}

/** The fenced code blocks of README.md between `<!-- name -->` and `<!-- /name -->`, or to the end of the file. */
export function readmeBlocks(name: string): readonly Block[] {
  const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8');
  const start = readme.indexOf(`<!-- ${name} -->`);
  if (start < 0) throw new Error(`README.md has no <!-- ${name} -->`);
  const end = readme.indexOf(`<!-- /${name} -->`);
  const section = readme.slice(start, end < 0 ? undefined : end);
  const blocks = [...section.matchAll(/^```(\w+)\n(.*?)^```$/gms)];
  return blocks.map(([, language = '', text = '']) => ({ language, text }));
}
