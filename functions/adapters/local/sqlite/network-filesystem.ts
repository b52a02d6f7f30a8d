import { readFileSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

// Types whose locks or shared memory do not reach across machines, so that two of them could write at once.
const NETWORK_TYPES = new Set([
  'nfs',
  'nfs4',
  'cifs',
  'smb3',
  'smbfs',
  'lustre',
  'gpfs',
  'beegfs',
  'afs',
  'ceph',
  'glusterfs',
  'fuse.sshfs',
  'fuse.glusterfs',
  'fuse.ceph',
  'fuse.ceph-fuse',
  'fuse.gcsfuse',
  'fuse.s3fs',
  'fuse.rclone',
]);

/**
 * Whether a path, which need not exist yet, is on a network filesystem. Known on Linux only, from
 * /proc/self/mountinfo (proc_pid_mountinfo(5)); false elsewhere.
 */
export function isNetworkFilesystem(path: string, mountinfo = readMountinfo()): boolean {
  const place = realPath(resolve(path));
  let longest = '';
  let type = '';
  for (const line of mountinfo.split('\n')) {
    const mount = parseMount(line);
    // Of two mounts on one point the later one is seen.
    if (mount === undefined || mount.point.length < longest.length) continue;
    if (!isInside(place, mount.point)) continue;
    longest = mount.point;
    type = mount.type;
  }
  return NETWORK_TYPES.has(type);
}

function readMountinfo(): string {
  try {
    return readFileSync('/proc/self/mountinfo', 'utf8');
  } catch {
    return '';
  }
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : `${realPath(parent)}${path.slice(parent.length)}`;
  }
}

function isInside(path: string, point: string): boolean {
  return point === '/' || path === point || path.startsWith(`${point}/`);
}

function parseMount(line: string): { readonly point: string; readonly type: string } | undefined {
  const [before = '', after = ''] = line.split(' - ');
  const point = before.split(' ')[4];
  const type = after.split(' ')[0];
  if (point === undefined || type === undefined || type === '') return undefined;
  return { point: point.replace(/\\([0-7]{3})/g, unescapeOctal), type };
}

function unescapeOctal(_match: string, digits: string): string {
  return String.fromCharCode(Number.parseInt(digits, 8));
}
