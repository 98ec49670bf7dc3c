using System.CommandLine;
using System.CommandLine.Parsing;
using VmRepl.Agent.Commands.Arguments;

namespace VmRepl.Agent.Commands;

/// <summary>--certificate, --key and --authority: all three or none.</summary>
internal sealed class CertificateOptions
{
    private readonly Option<string?> certificate = SharedOptions.Path("--certificate", "Our certificate, PEM. Goes with --key and --authority: mutual TLS.", "FILE");
    private readonly Option<string?> key = SharedOptions.Path("--key", "The certificate's private key, PEM.", "FILE");
    private readonly Option<string?> authority = SharedOptions.Path("--authority", "The authority that the other side's certificate must come from, PEM.", "FILE");

    public CertificateOptions(Command command)
    {
        command.Options.Add(certificate);
        command.Options.Add(key);
        command.Options.Add(authority);
        command.Validators.Add(RequireAllOrNone);
    }

    public IReadOnlyList<Option> All => [certificate, key, authority];

    public bool AnyGiven(SymbolResult result) => All.Any(o => result.GetResult(o) is not null);

    public CertificateFiles? Get(ParseResult parse) =>
        parse.GetValue(certificate) is { } file ? new CertificateFiles(file, parse.GetValue(key)!, parse.GetValue(authority)!) : null;

    private void RequireAllOrNone(CommandResult result)
    {
        var missing = All.Where(o => result.GetResult(o) is null).Select(o => o.Name).ToArray();
        if (missing.Length is not (0 or 3)) result.AddError($"--certificate, --key and --authority go together: {string.Join(" and ", missing)} missing.");
    }
}
