// Which tests of the official Go SDK's own suite judge a server, by group. The others of its files talk to a mock inside of the test.

/** Of the package in `test/`. */
export const GROUPS = {
  function: [
    "TestFunctionCall",
    "TestFunctionCallPreCborVersionError",
    "TestFunctionCallGoMap",
    "TestFunctionCallDateTimeRoundtrip",
    "TestFunctionCallLargeInput",
    "TestFunctionNotFound",
    "TestFunctionCallInputPlane",
    "TestFunctionFromNameWithDotNotation",
    "TestWebEndpointRemoteCallError",
    "TestWebEndpointSpawnCallError",
  ],
  class: ["TestClsCall", "TestClsNotFound", "TestClsCallInputPlane"],
  "function call": ["TestFunctionSpawn", "TestFunctionCallGet0"],
  secret: ["TestSecretFromName", "TestSecretFromNameWithRequiredKeys", "TestSecretFromMap"],
  image: [
    "TestImageFromId",
    "TestImageFromRegistry",
    "TestImageFromRegistryWithSecret",
    "TestImageFromAwsEcr",
    "TestImageFromGcpArtifactRegistry",
    "TestCreateSandboxWithImage",
    "TestImageDelete",
    "TestDockerfileCommands",
    "TestDockerfileCommandsEmptyArrayNoOp",
    "TestDockerfileCommandsChaining",
    "TestDockerfileCommandsCopyCommandValidation",
  ],
} as const;

/** Of the SDK's package itself: variants of functions, and the client. */
export const OF_THE_SDK = [
  "TestFunctionWithOptions",
  "TestFunctionWithConcurrency",
  "TestFunctionWithBatching",
  "TestFunctionWithOptionsSuccessive",
  "TestDynamicFunctionConfigurationE2E",
  "TestInstance",
  "TestClientWithLogger",
] as const;

const WEB = "It needs a web endpoint, which the server does not offer yet.";

/** What cannot pass here, and why. Each of them is run all the same: one that passes is to be taken out. */
export const IMPOSSIBLE: Readonly<Record<string, string>> = {
  TestWebEndpointRemoteCallError: WEB,
  TestWebEndpointSpawnCallError: WEB,
};
