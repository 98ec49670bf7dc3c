using VmRepl.Hypervisors.Boot;

namespace VmRepl.Agent.Commands.Arguments;

/// <summary><c>vmrepl test-failover</c>.</summary>
/// <param name="Limit">How long the check may take.</param>
/// <param name="Powerdown">How long the guest gets to shut down at the end.</param>
/// <param name="Screenshot">Full path of a file that does not exist; null for none.</param>
/// <param name="Allow">Directories, besides the host's firmware, that the definition may lead to.</param>
/// <param name="List">Only show the tests there were.</param>
public sealed record TestFailoverArguments(string Group, PointChoice At, BootCheck Check, TimeSpan Limit, TimeSpan Powerdown, string? Screenshot, IReadOnlyList<string> Allow, bool List, PointSource Source);
