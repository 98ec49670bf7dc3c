using System.Text.Json.Nodes;

namespace VmRepl.Hypervisors.Qmp;

/// <summary>Something that QEMU told without being asked.</summary>
/// <param name="Name">As in QEMU's reference, such as <c>SHUTDOWN</c>.</param>
/// <param name="Body">The event's "data"; empty if it had none.</param>
public sealed record QmpEvent(string Name, JsonObject Body);
