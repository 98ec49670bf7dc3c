using System.Text.RegularExpressions;

namespace VmRepl.Hypervisors.Boot;

/// <summary>What tells that the guest is up.</summary>
public abstract record BootCheck
{
    private BootCheck()
    {
    }

    /// <summary>One line for the result.</summary>
    public abstract string Text { get; }

    /// <summary>The guest writes this to its first serial port.</summary>
    public sealed record SerialText(string Wanted) : BootCheck
    {
        public override string Text => $"serial text \"{Wanted}\"";
    }

    /// <summary>What the guest writes to its first serial port matches. Matched without backtracking, so in time linear in the text.</summary>
    public sealed record SerialPattern(string Pattern) : BootCheck
    {
        public override string Text => $"serial pattern /{Pattern}/";

        /// <exception cref="ArgumentException">It is no pattern, or one that needs backtracking.</exception>
        internal Regex Compile()
        {
            try
            {
                return new Regex(Pattern, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.Multiline);
            }
            catch (NotSupportedException e)
            {
                throw new ArgumentException($"the pattern {Pattern} needs backtracking: {e.Message}", e);
            }
        }
    }

    /// <summary>QEMU's guest agent answers.</summary>
    public sealed record GuestAgent : BootCheck
    {
        public override string Text => "guest agent";
    }

    /// <summary>A program of the administrator ends with status 0. It finds VMREPL_GROUP, VMREPL_QMP, VMREPL_SERIAL, VMREPL_AGENT and VMREPL_QEMU_PID in its environment.</summary>
    public sealed record Script(string Program, IReadOnlyList<string> Arguments) : BootCheck
    {
        public override string Text => $"script {Program}";
    }

    /// <summary>The guest runs this long without a panic, without shutting down and without a boot loop.</summary>
    public sealed record Survives(TimeSpan Time) : BootCheck
    {
        public override string Text => $"runs for {Time.TotalSeconds} s";
    }
}
