// What a variant's options make of the definition of its base, and the autoscaler's settings of a definition. Pure.
import {
  type AutoscalerSettings,
  AutoscalerSettingsSchema,
  clone,
  create,
  type Function as FunctionDefinition,
  type FunctionOptions,
  FunctionSchema$,
  LydianError,
  type Resources,
  ResourcesSchema,
} from "@lydian/protocol";

/**
 * The definition with the options applied: what is not set is inherited, resources are merged field by field, lists are added to
 * those of the base unless their flag says that they replace them. The result is to be validated like any other definition.
 */
export function applyOptions(base: FunctionDefinition, options: FunctionOptions): FunctionDefinition {
  const { functionName: name } = base;
  if (options.routingRegion) throw notServed(name, "a routing region");
  if (options.pinnedAppVersion) throw notServed(name, "a pinned version of its app");
  const merged = clone(FunctionSchema$, base);
  merged.secretIds = options.replaceSecretIds ? options.secretIds : [...base.secretIds, ...options.secretIds];
  merged.mountIds = [...base.mountIds, ...options.mountIds];
  merged.volumeMounts = byPath(options.replaceVolumeMounts ? [] : base.volumeMounts, options.volumeMounts);
  merged.cloudBucketMounts = byPath(options.replaceCloudBucketMounts ? [] : base.cloudBucketMounts, options.cloudBucketMounts);
  if (options.resources) merged.resources = mergeResources(base.resources, options.resources);
  if (options.retryPolicy) merged.retryPolicy = options.retryPolicy;
  merged.timeoutSecs = options.timeoutSecs ?? base.timeoutSecs;
  merged.maxConcurrentInputs = options.maxConcurrentInputs ?? base.maxConcurrentInputs;
  // A target of the base may be more than the variant takes at all.
  merged.targetConcurrentInputs =
    options.targetConcurrentInputs ?? (options.maxConcurrentInputs === undefined ? base.targetConcurrentInputs : 0);
  merged.batchMaxSize = options.batchMaxSize ?? base.batchMaxSize;
  merged.batchLingerMs = options.batchLingerMs ?? base.batchLingerMs;
  if (options.schedulerPlacement) merged.schedulerPlacement = options.schedulerPlacement;
  merged.cloudProviderStr = options.cloudProviderStr ?? base.cloudProviderStr;
  const { warmPoolSize, concurrencyLimit, bufferContainers, taskIdleTimeoutSecs } = options;
  return applySettings(
    merged,
    create(AutoscalerSettingsSchema, {
      ...(warmPoolSize === undefined ? {} : { minContainers: warmPoolSize }),
      ...(concurrencyLimit === undefined ? {} : { maxContainers: concurrencyLimit }),
      ...(bufferContainers === undefined ? {} : { bufferContainers }),
      ...(taskIdleTimeoutSecs === undefined ? {} : { scaledownWindow: taskIdleTimeoutSecs }),
    }),
  );
}

/** The definition with these settings instead of its own; those that are not set stay. */
export function applySettings(base: FunctionDefinition, over: AutoscalerSettings | undefined): FunctionDefinition {
  if (over === undefined) return base;
  const changed = clone(FunctionSchema$, base);
  changed.autoscalerSettings = mergeSettings(base.autoscalerSettings, over);
  // Older names of the same things: 0 containers at most must not bring back the limit of the definition.
  changed.warmPoolSize = over.minContainers ?? base.warmPoolSize;
  changed.concurrencyLimit = over.maxContainers ?? base.concurrencyLimit;
  changed.taskIdleTimeoutSecs = over.scaledownWindow ?? base.taskIdleTimeoutSecs;
  return changed;
}

export function mergeSettings(base: AutoscalerSettings | undefined, over: AutoscalerSettings): AutoscalerSettings {
  return Object.assign(base ? clone(AutoscalerSettingsSchema, base) : create(AutoscalerSettingsSchema), present(over));
}

/** Settings in force, with what older clients name otherwise in its place. */
export function settingsOf(definition: FunctionDefinition): AutoscalerSettings {
  const { warmPoolSize, concurrencyLimit, taskIdleTimeoutSecs, autoscalerSettings } = definition;
  return create(AutoscalerSettingsSchema, {
    ...(warmPoolSize > 0 ? { minContainers: warmPoolSize } : {}),
    ...(concurrencyLimit > 0 ? { maxContainers: concurrencyLimit } : {}),
    ...(taskIdleTimeoutSecs > 0 ? { scaledownWindow: taskIdleTimeoutSecs } : {}),
    ...present(autoscalerSettings ?? {}),
  });
}

/** Zero is "not given" in every field. JavaScript clients send an empty GPU configuration along with whatever they set. */
function mergeResources(base: Resources | undefined, over: Resources): Resources {
  const { gpuConfig, ...rest } = over;
  const wantsGpu = gpuConfig !== undefined && (gpuConfig.count > 0 || gpuConfig.gpuType !== "");
  const given = Object.fromEntries(Object.entries(rest).filter(([name, value]) => !name.startsWith("$") && Boolean(value)));
  return Object.assign(base ? clone(ResourcesSchema, base) : create(ResourcesSchema), given, wantsGpu ? { gpuConfig } : {});
}

/** Of two mounts at a path the later counts. */
function byPath<T extends { readonly mountPath: string }>(base: readonly T[], added: readonly T[]): T[] {
  return [...new Map([...base, ...added].map((mount) => [mount.mountPath, mount])).values()];
}

/** Fields that were set: optional ones of protobuf are undefined otherwise. */
function present<T extends object>(message: T): Partial<T> {
  return Object.fromEntries(Object.entries(message).filter(([name, value]) => !name.startsWith("$") && value !== undefined)) as Partial<T>;
}

const notServed = (name: string, what: string) =>
  new LydianError("unimplemented", `The options of ${JSON.stringify(name)} ask for ${what}, which this server does not offer yet.`, {
    hint: "Remove that option.",
  });
