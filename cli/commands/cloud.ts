import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { LIMITS } from '../../shared/api/limits.ts';
import type { PlanView, SubmissionSpec } from '../../shared/api/submissions.ts';
import { AppError } from '../../shared/errors/app-error.ts';
import { needsImages, WITHOUT_IMAGES_HINT } from '../../shared/image/needs-images.ts';
import type { Client } from '../lib/client.ts';
import { connectOrStart } from '../lib/connect.ts';
import type { Context } from '../lib/context.ts';
import { createLiveBlock, formatBytes, progressBar } from '../lib/live-block.ts';
import { printable } from '../lib/output.ts';
import type { PackedLayer, Packer } from '../lib/parts.ts';
import { NO_EXPERIMENT } from '../lib/read-config.ts';
import { NO_DEPENDENCIES } from '../lib/submission.ts';
import { type UploadProgress, uploadMissing } from '../lib/upload.ts';
import { afterAcceptance, jobsText } from './cloud-outcome.ts';
import { type CloudRequest, readCloudRequest } from './cloud-request.ts';

/** `caliban cloud MODULE -- ARGS`. */
export async function run(ctx: Context): Promise<number> {
  const request = await readCloudRequest(ctx);
  if (request.experiments === 0) {
    if (ctx.json) await ctx.out.json({ jobs: 0 });
    ctx.out.note(`${NO_EXPERIMENT}; nothing was sent.`);
    return 0;
  }
  const packer = await ctx.io.parts.packer();
  try {
    const { spec, layers } = await pack(ctx, request, packer);
    await using connection = await connectOrStart(ctx);
    const { client } = connection;
    await refuseImagesOnProcess(client, spec);
    if (ctx.options.isSet('dry_run')) {
      const plan = await client.plan(spec);
      await printPlan(ctx, plan);
      noteHardware(ctx, plan.platform);
      return 0;
    }
    await upload(ctx, client, layers);
    const accepted = await client.submit(spec, randomUUID());
    noteHardware(ctx, accepted.platform);
    return await afterAcceptance(ctx, client, { accepted, group: request.group });
  } finally {
    await packer.dispose();
  }
}

function noteHardware({ options, out }: Context, platform: PlanView['platform']): void {
  const flags = ['gpu_spec', 'tpu_spec', 'machine_type', 'region'];
  const isHere = platform === 'process' || platform === 'docker';
  if (isHere && flags.some((flag) => options.isSet(flag))) {
    out.note(`hardware flags have no effect on the ${platform} platform: jobs run on this machine`);
  }
}

interface Packed {
  readonly spec: SubmissionSpec;
  readonly layers: readonly PackedLayer[];
}

async function pack(ctx: Context, request: CloudRequest, packer: Packer): Promise<Packed> {
  const { module, scriptArgs, config, group, name, labels, mode, hardware, projectId, image } =
    request;
  const source = await packSource(ctx, request, packer);
  const configLayer =
    config !== null && Buffer.byteLength(config) > LIMITS.inlineConfigBytes
      ? await packer.packConfig(config)
      : null;
  const spec: SubmissionSpec = {
    schemaVersion: 1,
    module,
    scriptPath: source.scriptPath,
    command: [...source.command],
    scriptArgs: [...scriptArgs],
    config: configLayer === null ? config : null,
    configLayer: configLayer?.diffId ?? null,
    group,
    name,
    labels: { ...labels },
    mode,
    hardware,
    projectId,
    platform: null,
    image,
    codeLayers: [...source.codeLayers],
    dependencies: source.dependencies,
    source: { path: ctx.io.cwd, extraDirs: image === null ? [...request.extraDirs] : [] },
  };
  return { spec, layers: configLayer === null ? source.layers : [...source.layers, configLayer] };
}

async function packSource(ctx: Context, request: CloudRequest, packer: Packer) {
  const contextDir = ctx.io.cwd;
  const { module, mode, extraDirs, extras, image } = request;
  if (image !== null) {
    const plan = await packer.resolveModule(contextDir, module);
    return { ...plan, layers: [], codeLayers: [], dependencies: NO_DEPENDENCIES };
  }
  return packer.pack({
    contextDir,
    cacheDir: join(ctx.dataDir, 'cache', 'pack'),
    dataDir: ctx.dataDir,
    module,
    mode,
    extraDirs,
    extras,
    signal: ctx.io.signal,
    note: (line) => ctx.out.note(line),
  });
}

// Before anything is sent.
async function refuseImagesOnProcess(client: Client, spec: SubmissionSpec): Promise<void> {
  const lacking = needsImages({ ...spec.dependencies, image: spec.image });
  if (lacking.length === 0) return;
  const service = await client.service();
  if ((spec.platform ?? service.defaultPlatform) !== 'process') return;
  throw new AppError(
    'PLATFORM_UNSUPPORTED',
    `This service runs jobs as plain processes, without images: it cannot provide ${lacking.join(' and ')}.`,
    { hint: WITHOUT_IMAGES_HINT },
  );
}

async function upload(ctx: Context, client: Client, layers: readonly PackedLayer[]): Promise<void> {
  const { io, out } = ctx;
  const block = out.interactive && !ctx.json ? createLiveBlock(io.stderr) : undefined;
  try {
    const done = await uploadMissing(client, layers, (progress) => {
      block?.draw([uploadLine(progress)]);
    });
    block?.clear();
    if (done.layers > 0) out.note(`Sent ${formatBytes(done.total)} of code.`);
  } finally {
    block?.clear();
  }
}

function uploadLine({ sent, total }: UploadProgress): string {
  const bar = progressBar(total === 0 ? 0 : sent / total, 24);
  return `Sending code ${bar} ${formatBytes(sent)} of ${formatBytes(total)}`;
}

async function printPlan({ out, json }: Context, plan: PlanView): Promise<void> {
  if (json) {
    await out.json(plan);
    return;
  }
  const group = `${printable(plan.group.name)}${plan.group.exists ? '' : ' (new)'}`;
  await out.line(`${jobsText(plan.jobs)} in group ${group} on ${plan.platform}`);
  await out.line(`image: ${printable(plan.image.message)}`);
  for (const { index, command } of plan.samples)
    await out.line(`  job ${index}: ${printable(command)}`);
  const rest = plan.jobs - plan.samples.length;
  if (rest > 0) await out.line(`  and ${rest} more`);
  out.note('Dry run: nothing was sent or submitted.');
}
