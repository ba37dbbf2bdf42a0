import { parseSync } from 'oxc-parser';

type Program = ReturnType<typeof parseSync>['program'];
type Declaration = NonNullable<
  Extract<Program['body'][number], { type: 'ExportNamedDeclaration' }>['declaration']
>;

/**
 * The names that a TypeScript module declares and exports: functions, classes, types and constants. Names that it
 * exports again from other modules, and its default export, are not among them.
 */
export function exportedNamesOf(path: string, source: string): readonly string[] {
  const { body } = parseSync(path, source).program;
  const imported = new Set(
    body.flatMap((node) =>
      node.type === 'ImportDeclaration' ? node.specifiers.map(({ local }) => local.name) : [],
    ),
  );
  const names = body.flatMap((node) => {
    if (node.type !== 'ExportNamedDeclaration' || node.source) return [];
    if (node.declaration) return namesDeclaredBy(node.declaration);
    return node.specifiers.flatMap(({ local, exported }) =>
      imported.has(nameOf(local)) ? [] : nameOf(exported),
    );
  });
  // Overloads of a function have the same name.
  return [...new Set(names)];
}

function namesDeclaredBy(declaration: Declaration): string[] {
  if (declaration.type === 'VariableDeclaration') {
    return declaration.declarations.flatMap(({ id }) => namesInPattern(id));
  }
  return 'id' in declaration && declaration.id && 'name' in declaration.id
    ? [declaration.id.name]
    : [];
}

type Pattern = Extract<Declaration, { type: 'VariableDeclaration' }>['declarations'][number]['id'];

/** The names of a destructuring declaration, or of a simple one. */
function namesInPattern(pattern: Pattern): string[] {
  switch (pattern.type) {
    case 'Identifier':
      return [pattern.name];
    case 'AssignmentPattern':
      return namesInPattern(pattern.left);
    case 'ArrayPattern':
      return pattern.elements.flatMap((element) =>
        element === null
          ? []
          : namesInPattern(element.type === 'RestElement' ? element.argument : element),
      );
    case 'ObjectPattern':
      return pattern.properties.flatMap((property) =>
        namesInPattern(property.type === 'RestElement' ? property.argument : property.value),
      );
  }
}

function nameOf(node: { name: string } | { value: string }): string {
  return 'name' in node ? node.name : node.value;
}
