import { posix } from 'node:path';
import { type ParseResult, parseSync, Visitor } from 'oxc-parser';

export interface Import {
  /** `/push/route.ts` for a file of the project, from `src`; else the package or `node:` module. */
  readonly target: string;
  /** Gone at run time: `import type`, not `import { type … }`, which still loads the module. */
  readonly typeOnly: boolean;
}

/** What the rules of the architecture have to know of one source file. */
export interface SourceModule {
  /** From `src`, such as `push/route.ts`. */
  readonly path: string;
  readonly lines: number;
  readonly imports: readonly Import[];
  /** `export … from`. */
  readonly reExports: boolean;
  /** `import(…)` of what only running it would tell. */
  readonly importsUnnamed: boolean;
  readonly readsEnvironment: boolean;
  /** Every string and every template, each expression in it as `?`. */
  readonly texts: readonly string[];
}

/** @throws Error where the source does not parse */
export function readModule(path: string, source: string): SourceModule {
  const parsed = parseSync(path, source);
  if (parsed.errors.length > 0) throw new Error(`${path}: ${parsed.errors[0]?.message}`);
  return {
    path,
    lines: source.trimEnd().split('\n').length,
    texts: textsOf(parsed),
    readsEnvironment: readsEnvironment(parsed),
    ...importsOf(parsed, path),
  };
}

function importsOf({ program }: ParseResult, path: string) {
  const imports: Import[] = [];
  let reExports = false;
  let importsUnnamed = false;
  const add = (specifier: string, kind: 'type' | 'value' | undefined) =>
    imports.push({ target: targetOf(specifier, path), typeOnly: kind === 'type' });
  new Visitor({
    ImportDeclaration: (node) => add(node.source.value, node.importKind),
    ExportAllDeclaration(node) {
      add(node.source.value, node.exportKind);
      reExports = true;
    },
    ExportNamedDeclaration(node) {
      if (!node.source) return;
      add(node.source.value, node.exportKind);
      reExports = true;
    },
    TSImportType: (node) => add(node.source.value, 'type'),
    ImportExpression({ source }) {
      if (source.type === 'Literal' && typeof source.value === 'string') add(source.value, 'value');
      else importsUnnamed = true;
    },
  }).visit(program);
  return { imports, reExports, importsUnnamed };
}

function targetOf(specifier: string, importer: string): string {
  if (specifier.startsWith('.')) return posix.join('/', posix.dirname(importer), specifier);
  if (specifier.startsWith('node:')) return specifier;
  const [scopeOrName = '', name = ''] = specifier.split('/');
  return scopeOrName.startsWith('@') ? `${scopeOrName}/${name}` : scopeOrName;
}

function textsOf({ program }: ParseResult): readonly string[] {
  const texts: string[] = [];
  new Visitor({
    Literal({ value }) {
      if (typeof value === 'string') texts.push(value);
    },
    TemplateLiteral({ quasis }) {
      texts.push(quasis.map(({ value }) => value.cooked ?? value.raw).join('?'));
    },
  }).visit(program);
  return texts;
}

function readsEnvironment({ program }: ParseResult): boolean {
  let found = false;
  new Visitor({
    MemberExpression({ object, property }) {
      const name = property.type === 'Identifier' ? property.name : undefined;
      const quoted = property.type === 'Literal' ? property.value : undefined;
      if ((name ?? quoted) !== 'env') return;
      found ||= object.type === 'Identifier' && object.name === 'process';
      found ||= object.type === 'MetaProperty';
    },
    // const { env } = process
    VariableDeclarator({ id, init }) {
      found ||=
        id.type === 'ObjectPattern' && init?.type === 'Identifier' && init.name === 'process';
    },
    ImportDeclaration({ source }) {
      found ||= source.value === 'node:process' || source.value === 'process';
    },
  }).visit(program);
  return found;
}
