/** The entry `keyfold/files`: from file to file, in Node.js, Deno and Bun. */

import { randomUUID } from "node:crypto";
import type { Stats } from "node:fs";
import {
  type FileHandle,
  link,
  lstat,
  open,
  realpath,
  rename,
  stat,
  unlink,
} from "node:fs/promises";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { KeyfoldError, isKeyfoldError } from "./errors.js";
import type { Keyfold } from "./keyfold.js";
import type { Bytes, DecryptOptions, EncryptOptions, Progress } from "./types.js";

/** Bytes that are read at once; two such pieces are under way, and what they become. */
const PIECE = 512 << 10;

/** A path, or a URL of the form `file:`. */
export type FilePath = string | URL;

/** What both directions take. */
export interface FileOptions {
  /** Whether a file that is there may be replaced; `true` where absent. */
  overwrite?: boolean | undefined;
}

/**
 * Encrypts a file to another one. The target appears under its name when it is complete and on
 * disk, with the permissions of the source; where a link leads, the file there is replaced.
 *
 * ```ts
 * await encryptFile(kf, "report.pdf", "report.pdf.kf", { keys: docs });
 * ```
 *
 * Answers the length of the target in bytes.
 *
 * Errors: those of {@link Keyfold.encrypt}; `io` for what the system says, with its error as the
 * `cause`; `invalid_argument` where the source is no regular file or changes its length meanwhile,
 * and where the target is the source, by whatever name.
 */
export async function encryptFile(
  kf: Keyfold,
  source: FilePath,
  target: FilePath,
  options: EncryptOptions & FileOptions = {},
): Promise<number> {
  return convert(source, target, options, (length) => kf.sealStream({ ...options, length }));
}

/**
 * Decrypts a file to another one, as {@link encryptFile} encrypts it: nothing stands under the name
 * of the target before all of it is proven, the signature included.
 *
 * ```ts
 * await decryptFile(kf, "report.pdf.kf", "report.pdf", { keys: docs });
 * ```
 *
 * Answers the length of the target in bytes.
 *
 * Errors: those of {@link Keyfold.decrypt}, and those of {@link encryptFile} about files.
 */
export async function decryptFile(
  kf: Keyfold,
  source: FilePath,
  target: FilePath,
  options: DecryptOptions & FileOptions = {},
): Promise<number> {
  const { onProgress } = options;
  return convert(source, target, options, (length) => {
    // The envelope is a little longer than what is in it: near enough for a bar.
    const tell = ({ done }: Progress): void => onProgress?.({ done, total: length });
    return kf.openStream({ ...options, ...(onProgress && { onProgress: tell }) });
  });
}

type Through = TransformStream<Bytes, Uint8Array<ArrayBuffer>>;

async function convert(
  source: FilePath,
  target: FilePath,
  { overwrite = true }: FileOptions,
  through: (length: number) => Through,
): Promise<number> {
  try {
    await using input = await open(source);
    const about = await input.stat();
    if (!about.isFile()) throw new KeyfoldError("invalid_argument", "the source is no file");
    const path = await follow(typeof target === "string" ? target : fileURLToPath(target));
    if (await isSame(input, path)) {
      throw new KeyfoldError("invalid_argument", "the target is the input");
    }
    await using part = await PartFile.create(path, about);
    const length = await pump(through(about.size), input, part.file);
    await part.commit(overwrite);
    return length;
  } catch (error) {
    if (isKeyfoldError(error)) throw error;
    const { code } = error as NodeJS.ErrnoException;
    throw new KeyfoldError("io", `the file system answers ${code ?? "an error"}`, { cause: error });
  }
}

/** The file that a symbolic link leads to: that one is replaced, the link stays. */
async function follow(path: string): Promise<string> {
  const about = await lstat(path).catch(() => undefined);
  return about?.isSymbolicLink() ? realpath(path) : path;
}

/** Whether a path leads to an open file. As numbers the names of Windows for files are not exact. */
async function isSame(file: FileHandle, path: string): Promise<boolean> {
  const there = await stat(path, { bigint: true }).catch(() => undefined);
  if (!there) return false;
  const { dev, ino } = await file.stat({ bigint: true });
  return there.dev === dev && there.ino === ino;
}

/** A file that is written under another name in the same folder, and removed unless committed. */
class PartFile implements AsyncDisposable {
  private constructor(
    readonly file: FileHandle,
    private readonly path: string,
    private readonly part: string,
  ) {}

  static async create(path: string, like: Stats): Promise<PartFile> {
    const part = join(dirname(path), `.keyfold-${randomUUID()}.part`);
    return new PartFile(await open(part, "wx", like.mode & 0o666), path, part);
  }

  async commit(overwrite: boolean): Promise<void> {
    await this.file.sync();
    if (overwrite) await rename(this.part, this.path);
    else await link(this.part, this.path);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.file.close();
    // It is gone where it was renamed.
    await unlink(this.part).catch(() => {});
  }
}

/** Moves all of a file through a stream; answers how many bytes came out. */
async function pump(through: Through, source: FileHandle, target: FileHandle): Promise<number> {
  const drained = drain(through.readable.getReader(), target);
  const fed = feed(source, through.writable.getWriter());
  // Both have ended before a file is closed. The first failure is the cause of the other.
  const failures: unknown[] = [];
  const note = (error: unknown): void => void failures.push(error);
  await Promise.all([fed.catch(note), drained.catch(note)]);
  if (failures.length > 0) throw failures[0];
  return drained;
}

async function feed(source: FileHandle, writer: WritableStreamDefaultWriter<Bytes>): Promise<void> {
  // One is filled while the stream works on the other, which it is done with when it has taken it.
  let [filling, taken] = [new Uint8Array(PIECE), new Uint8Array(PIECE)];
  let reading = source.read(filling, 0, PIECE);
  try {
    for (;;) {
      const { bytesRead } = await reading;
      if (bytesRead === 0) break;
      [filling, taken] = [taken, filling];
      reading = source.read(filling, 0, PIECE);
      await writer.write(taken.subarray(0, bytesRead));
    }
    await writer.close();
  } catch (error) {
    await Promise.allSettled([reading, writer.abort(error)]);
    throw error;
  }
}

async function drain(
  reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>,
  target: FileHandle,
): Promise<number> {
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return length;
      for (let at = 0; at < value.length;) {
        at += (await target.write(value, at)).bytesWritten;
      }
      length += value.length;
    }
  } catch (error) {
    await reader.cancel(error).catch(() => {});
    throw error;
  }
}
