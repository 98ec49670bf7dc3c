namespace VmRepl.Agent.Output;

/// <summary>The exit statuses that scripts rely on.</summary>
public static class ExitCode
{
    public const int Done = 0;

    /// <summary>It failed, or the input is corrupt or hostile. Also: a check found damage, a comparison found a difference.</summary>
    public const int Failed = 1;

    /// <summary>The command line cannot be understood.</summary>
    public const int Usage = 2;

    /// <summary>Refused because it is unsafe: the target exists, a file is in use, a path is outside the policy, certificates are missing.</summary>
    public const int Refused = 3;

    /// <summary><c>image compare</c> could not compare.</summary>
    public const int NotCompared = 4;
}
