namespace VmRepl.Images.Opening;

/// <summary>An image names another file that the operator did not allow. Nothing was opened.</summary>
public sealed class ReferenceRefusedException(string path, string reference, string reason)
    : Exception($"{path}: names \"{reference}\", which is not followed: {reason}")
{
    public string Path { get; } = path;

    public string Reference { get; } = reference;
}
