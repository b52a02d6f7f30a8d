/** Import directions of the house; the tree is the architecture (docs/decisions/0001). */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'shared-is-a-leaf',
      comment: 'shared is isomorphic: itself and zod, no node: modules',
      severity: 'error',
      from: { path: '^shared/' },
      to: { pathNot: ['^shared/', '^node_modules/zod/'] },
    },
    {
      name: 'core-knows-no-adapter',
      severity: 'error',
      from: { path: '^functions/(core|ports|consumers|api)/' },
      to: { path: '^functions/(adapters/|embedded|hosted|runtime|index)' },
    },
    {
      name: 'core-knows-no-http',
      severity: 'error',
      from: { path: '^functions/(core|ports)/' },
      to: { path: '^(functions/(api|consumers)/|node_modules/(hono|@hono))' },
    },
    {
      name: 'ports-are-interfaces',
      severity: 'error',
      from: { path: '^functions/ports/' },
      to: { pathNot: ['^functions/ports/', '^shared/', '^node_modules/zod/'] },
    },
    {
      name: 'adapters-know-ports-only',
      severity: 'error',
      comment:
        'images/ and layers/ are what adapters of both hosts do the same way; they know ports only, too',
      from: { path: '^functions/adapters/([^/]+)/' },
      to: {
        path: '^functions/',
        pathNot: [
          '^functions/ports/',
          '^functions/adapters/(images|layers|tokens)/',
          '^functions/adapters/$1/',
        ],
      },
    },
    {
      name: 'one-machine-platforms-are-apart',
      comment: 'what Docker and processes share is in attempts/, which knows neither',
      severity: 'error',
      from: { path: '^functions/adapters/local/(attempts|docker|process)/' },
      to: {
        path: '^functions/adapters/local/(docker|process)/',
        pathNot: '^functions/adapters/local/$1/',
      },
    },
    {
      name: 'cli-not-functions',
      comment: 'the CLI talks HTTP; only serve and the offline client host the service, lazily',
      severity: 'error',
      from: { path: '^cli/', pathNot: '^cli/lib/join-parts\\.ts$' },
      to: { path: '^functions/', dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'cli-hosts-embedded-only',
      severity: 'error',
      from: { path: '^cli/lib/join-parts\\.ts$' },
      to: {
        path: '^functions/',
        pathNot: '^functions/embedded(/offline|/backup)?\\.ts$',
        dependencyTypesNot: ['type-only'],
      },
    },
    {
      name: 'functions-not-cli',
      severity: 'error',
      from: { path: '^functions/' },
      to: { path: '^cli/' },
    },
    {
      name: 'cloud-sdk-only-in-gcp',
      severity: 'error',
      from: {
        pathNot: '^(functions/(adapters/gcp/|index\\.ts)|test/(adapters|doubles/local-cloud)/)',
      },
      to: { path: '^node_modules/(@google-cloud|@kubernetes|google-)' },
    },
    {
      name: 'nothing-imports-tests',
      severity: 'error',
      from: { pathNot: '^(test|scripts)/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    exclude: { path: '^(dist|coverage)/' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
};
