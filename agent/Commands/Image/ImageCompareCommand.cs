using System.CommandLine;
using VmRepl.Agent.Output;
using VmRepl.Agent.Output.Reports;
using VmRepl.Images;
using VmRepl.Images.Operations;

namespace VmRepl.Agent.Commands.Image;

internal static class ImageCompareCommand
{
    public static Command Create(CommandContext context)
    {
        var allow = SharedOptions.Allow();
        var first = new ImageArguments("A", "One image.", "--source-format", allow);
        var second = new ImageArguments("B", "The other image.", "--target-format", allow);
        var command = new Command(
            "compare",
            "Compare the contents of two disks, whatever their formats. What the longer one has more must be zeros. Exit status: 0 equal, 1 different, 4 could not compare.") { allow };
        first.AddTo(command);
        second.AddTo(command);
        context.SetAction(
            command,
            (parse, output, cancellation) =>
            {
                using var a = first.Open(parse, output);
                using var b = second.Open(parse, output);
                return Compare(a, b, output, cancellation);
            },
            // A script that asks "equal?" must not take "could not tell" for "different".
            failed: _ => ExitCode.NotCompared);
        return command;
    }

    private static int Compare(IDiskImage a, IDiskImage b, CommandOutput output, CancellationToken cancellation)
    {
        ComparisonResult result = default;
        output.Progress.Run("Comparing", Math.Max(a.Length, b.Length), progress => result = ImageComparer.Compare(a, b, progress, cancellation));
        output.Report(
            new CompareReport(result.Equal, result.Equal ? null : result.FirstDifference, result.Reason),
            json => json.CompareReport,
            r => output.Line(r.Equal ? "The disks are equal." : $"The disks differ: {r.Reason}."));
        return result.Equal ? ExitCode.Done : ExitCode.Failed;
    }
}
